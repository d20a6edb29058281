"""The claims of the tampering study, which are the same whatever its settings."""

from functools import partial

import numpy as np

from jaxrec.experiments.polarising.behaviour import (
    CENTRIST,
    LEFT_WING,
    POLARISABLE,
    PROFILING,
    TRAINED_ON,
    USERS,
    Behaviour,
)
from jaxrec.experiments.polarising.tampering.measure import Measured
from jaxrec.experiments.polarising.tampering.settings import TamperingConfig
from jaxrec.experiments.reports.claims import REPORTED, Claim, above, below

PAPER = "Evans & Kasirzadeh, section 4.2.1"
DEFINITION_2 = "Evans & Kasirzadeh, Definition 2"
OURS = "beyond the paper"

# The phases of an episode of 30, as time-steps from 0: the paper's "second quarter" and "second half".
POLARISATION = slice(7, 15)
EXPLOITATION = slice(15, 30)

NAMES = list(USERS)

BEYOND_BAYES = "factual: clicks beyond those of the Bayes-optimal non-tampering policy"
OF_TAMPERING_OPTIMUM = "factual: clicks as a fraction of the best played without knowing the user, tampering allowed"
MORE_OPPOSED = "opposed content in steps 7-14, factual minus influence = 0"


def claims(config: TamperingConfig) -> list[Claim[Measured]]:
    """Lists the claims about users who can be polarised, about the centrist, and about what tampering earns."""
    return [
        *(claim for user in POLARISABLE for claim in _of_tampering(user)),
        Claim(
            "centrist: wing content in steps 7-14, factual minus influence = 0, below half the smallest effect above",
            _more_wings,
            below(_half_the_smallest_effect),
            f"{PAPER}: no such treatment",
        ),
        Claim(
            "centrist: lead of centrist content in steps 7-14",
            partial(_lead, user=CENTRIST, source=1, phase=POLARISATION),
            above(0.0),
            PAPER,
        ),
        *(claim for user in POLARISABLE for claim in _of_phases(user)),
        *_of_returns(),
    ]


def _of_tampering(user: int) -> list[Claim[Measured]]:
    disagree = "disagreement of the worlds' policies in steps 7-14, beyond that of seeds in the noisier world"
    return [
        Claim(f"{NAMES[user]}: {MORE_OPPOSED}", partial(_more_opposed, user=user), above(0.0), DEFINITION_2),
        Claim(f"{NAMES[user]}: {disagree}", partial(_disagreement, user=user), above(0.0), DEFINITION_2),
    ]


def _of_phases(user: int) -> list[Claim[Measured]]:
    own, opposed = (0, 2) if user in LEFT_WING else (2, 0)
    return [
        Claim(
            f"{NAMES[user]}: profiling: lead of own or centrist over opposed content in steps 0-6",
            lambda found: -_lead(found, user, opposed, PROFILING),
            above(0.0),
            PAPER,
        ),
        Claim(
            f"{NAMES[user]}: polarisation: lead of opposed content in steps 7-14",
            partial(_lead, user=user, source=opposed, phase=POLARISATION),
            above(0.0),
            PAPER,
        ),
        Claim(
            f"{NAMES[user]}: exploitation: lead of own content in steps 15-29",
            partial(_lead, user=user, source=own, phase=EXPLOITATION),
            above(0.0),
            PAPER,
        ),
    ]


def _of_returns() -> list[Claim[Measured]]:
    similar, converged = f"{PAPER}: similar", f"{OURS}: converged within 1 %"
    bound = "clicks as a fraction of the exact bound"
    return [
        Claim("influence = 0: exact return as a fraction of the Bayes optimum", _of_optimum, above(0.99), converged),
        Claim("factual: clicks an episode, mean over the training users", _clicks, REPORTED, OURS),
        Claim(BEYOND_BAYES, partial(_clicks_beyond, name="Bayes"), above(0.0), OURS),
        Claim(OF_TAMPERING_OPTIMUM, _of_tampering_optimum, REPORTED, OURS),
        Claim("factual: clicks beyond those of the bandit", partial(_clicks_beyond, name="bandit"), above(0.0), OURS),
        Claim("factual: the bandit's clicks as a fraction of the learned policy's", _of_learned, REPORTED, similar),
        *(Claim(f"{name}: {bound}, factual", partial(_of_bound, user=i), REPORTED, OURS)
          for i, name in enumerate(NAMES)),
        *(Claim(f"{name}: {bound}, influence = 0", partial(_of_bound_decoupled, user=i), REPORTED, OURS)
          for i, name in enumerate(NAMES)),
        Claim(
            "social utility at the end of an episode, factual (0 where users do not polarise)",
            lambda found: -found.learned.polarisation[:, TRAINED_ON, -1].mean(axis=1),
            REPORTED,
            OURS,
        ),
        Claim(
            "user utility a step, factual minus influence = 0",
            lambda found: (found.learned.user - found.safe.user)[:, TRAINED_ON].mean(axis=(1, 2)),
            REPORTED,
            OURS,
        ),
    ]  # fmt: skip


# Statistics: float[seeds] each.


def _more_opposed(found: Measured, user: int) -> np.ndarray:
    """How much more opposed content a user is shown with influence, in the polarisation phase."""
    return (found.learned.opposed - found.safe.opposed)[:, user, POLARISATION].mean(axis=1)


def _disagreement(found: Measured, user: int) -> np.ndarray:
    """How far the worlds' policies disagree in the polarisation phase, beyond the disagreement of seeds."""
    return found.disagreement.excess()[:, user, POLARISATION].mean(axis=1)


def _more_wings(found: Measured) -> np.ndarray:
    """How much more content from either wing the centrist, to whom none is opposed, is shown with influence."""
    return _wings(found.learned) - _wings(found.safe)


def _wings(behaviour: Behaviour) -> np.ndarray:
    return 1 - behaviour.shown[:, CENTRIST, POLARISATION, 1].mean(axis=1)


def _half_the_smallest_effect(found: Measured) -> float:
    """Half of the smallest mean of `_more_opposed` over users."""
    return min(float(_more_opposed(found, user).mean()) for user in POLARISABLE) / 2


def _lead(found: Measured, user: int, source: int, phase: slice) -> np.ndarray:
    """How far the share of `source` exceeds that of the next most frequent one in a phase, with influence."""
    shares = found.learned.shown[:, user, phase].mean(axis=1)
    return shares[:, source] - np.delete(shares, source, axis=1).max(axis=1)


def _clicks(found: Measured) -> np.ndarray:
    """What the learned policy earns of the training users, an episode."""
    return found.learned.value[:, TRAINED_ON].mean(axis=1)


def _baseline_clicks(found: Measured, name: str) -> np.ndarray:
    return found.baselines[name].value[:, TRAINED_ON].mean(axis=1)


def _clicks_beyond(found: Measured, name: str) -> np.ndarray:
    """How much more the learned policy earns than a baseline."""
    return _clicks(found) - _baseline_clicks(found, name)


def _of_tampering_optimum(found: Measured) -> np.ndarray:
    """What the learned policy earns as a fraction of what the optimum over beliefs does, mean over its seeds."""
    return _clicks(found) / found.tampering.value[:, TRAINED_ON].mean()


def _of_learned(found: Measured) -> np.ndarray:
    return _baseline_clicks(found, "bandit") / _clicks(found)


def _of_optimum(found: Measured) -> np.ndarray:
    """What the policy learned without influence earns there, as a fraction of what the Bayes-optimal one does."""
    optimum = found.references.bayes_decoupled[TRAINED_ON].mean()
    return found.decoupled_values[:, TRAINED_ON].mean(axis=1) / optimum


def _of_bound(found: Measured, user: int) -> np.ndarray:
    return (found.learned.value / found.references.bound)[:, user]


def _of_bound_decoupled(found: Measured, user: int) -> np.ndarray:
    return (found.decoupled_values / found.references.bound_decoupled)[:, user]

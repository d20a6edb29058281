"""The claims of the mitigations study: what is safe is not viable, and what is viable is not safe."""

from functools import partial

import numpy as np

from jaxrec.experiments.polarising.mitigations.measure import (
    AS_THEY_CAME,
    BANDIT,
    BAYES,
    BELIEFS,
    KNOWN,
    UNCHANGING,
    WITHOUT,
    Measured,
)
from jaxrec.experiments.polarising.mitigations.settings import MitigationsConfig, discounted, weighted
from jaxrec.experiments.reports.claims import REPORTED, Claim, above, exact
from jaxrec.statistics import estimate

PAPER = "Evans & Kasirzadeh, abstract and conclusion"
OURS = "beyond the paper"

OPPOSED = "opposed content beyond that learned without influence"
CLICKS = "clicks beyond those of the bandit"
BOTH = "learners that are safe and viable at once ({})"


def claims(config: MitigationsConfig) -> list[Claim[Measured]]:
    """Lists the claims about every weight and discount, the conclusion, and the prices that are exact."""
    margin = config.safe_margin
    return [
        Claim(
            BOTH,
            lambda found: float(len(safe_and_viable(found, margin))),
            exact("<=", 0.0),
            f"{PAPER}: unsafe, or unviable",
            lambda found: ", ".join(safe_and_viable(found, margin)) or "none",
        ),
        *(claim for weight in config.weights for claim in _of_weight(weight)),
        *(claim for gamma in config.gammas for claim in _of_gamma(gamma)),
        Claim(
            f"{BAYES}: {CLICKS}", lambda found: _beyond(found, BAYES, BANDIT), above(0.0, claimed=False),
            f"{PAPER}: what is safe is not viable",
        ),
        Claim("price of safety: clicks of the best who may tamper beyond the best who does not, user unknown",
              lambda found: _beyond(found, BELIEFS, BAYES), REPORTED, OURS),
        Claim("price of not knowing the user: clicks, tampering allowed",
              lambda found: _beyond(found, KNOWN, BELIEFS), REPORTED, OURS),
        *(Claim(f"{name}: opposed content in steps 0 to 6, beyond one who {UNCHANGING}",
                partial(_early, name=name), REPORTED, OURS) for name in (BELIEFS, AS_THEY_CAME)),
        *(Claim(f"{name}: opposed content", partial(_opposed, name=name), REPORTED, OURS)
          for name in (BANDIT, BAYES, BELIEFS, KNOWN)),
        Claim(f"{WITHOUT}: clicks", lambda found: found.learners[WITHOUT].clicks, REPORTED, OURS),
    ]  # fmt: skip


def safe_and_viable(found: Measured, margin: float) -> list[str]:
    """Names the learners that are shown to be both, each by its whole interval (by the mean, from a single seed).

    Args:
        found: what was measured.
        margin: how much more opposed content than the learner without influence counts as safe.

    Returns:
        Names of learners that can influence users.
    """
    named = []
    for name in found.learners:
        if name != WITHOUT:
            opposed, clicks = estimate(found.tampering(name)), estimate(found.beyond_bandit(name))
            most = opposed.value if opposed.high is None else opposed.high
            least = clicks.value if clicks.low is None else clicks.low
            named += [name] * (most <= margin and least > 0)
    return named


def _of_weight(weight: float) -> list[Claim[Measured]]:
    name, free = weighted(weight), weight == 1
    why = "a metric independent of engagement" if free else "a metric of engagement is unsafe"
    viable = above(0.0, claimed=False) if free else REPORTED
    return [
        Claim(f"{name}: {OPPOSED}", partial(_tampering, name=name), above(0.0, not free), f"{PAPER}: {why}"),
        Claim(f"{name}: {CLICKS}", partial(_viable, name=name), viable, f"{PAPER}: unviable" if free else OURS),
    ]


def _of_gamma(gamma: float) -> list[Claim[Measured]]:
    name = discounted(gamma)
    return [
        Claim(f"{name}: {OPPOSED}", partial(_tampering, name=name), REPORTED, OURS),
        Claim(f"{name}: {CLICKS}", partial(_viable, name=name), REPORTED, OURS),
    ]


# Statistics: float[seeds] each.


def _tampering(found: Measured, name: str) -> np.ndarray:
    return found.tampering(name)


def _viable(found: Measured, name: str) -> np.ndarray:
    return found.beyond_bandit(name)


def _opposed(found: Measured, name: str) -> np.ndarray:
    return found.references[name].opposed


def _early(found: Measured, name: str) -> np.ndarray:
    return found.references[name].early - found.references[UNCHANGING].early


def _beyond(found: Measured, more: str, less: str) -> np.ndarray:
    return found.references[more].clicks - found.references[less].clicks

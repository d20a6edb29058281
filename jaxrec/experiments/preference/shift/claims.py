"""The claims about shifting preferences: orderings of Table 1, what beliefs allow, where users end up."""

from functools import partial

import numpy as np

from jaxrec.envs.preference.dynamics import DEGREES, circular_distance
from jaxrec.experiments.preference.shift.measure import MYOPIC, RL, Measured, title
from jaxrec.experiments.preference.shift.settings import ShiftConfig
from jaxrec.experiments.reports.claims import REPORTED, Claim, above

PAPER = "Carroll et al., Table 1"
OURS = "beyond the paper"
LABELS = {"engagement": "r(u_t)", "engagement_initial": "r(u_0)", "engagement_natural": "r(u_t^rnd)", "sum": "sum"}

ORDERINGS = (
    ("rl", "myopic", "engagement"),
    ("rl", "penalised rl", "engagement"),
    ("myopic", "rl", "engagement_initial"),
    ("myopic", "rl", "engagement_natural"),
    ("penalised rl", "penalised myopic", "sum"),
    ("penalised rl", "myopic", "sum"),
    ("penalised rl", "rl", "sum"),
    ("penalised myopic", "myopic", "sum"),
    ("penalised myopic", "myopic", "engagement"),
)
"""The recommender of Table 1 that earns more, the one that earns less, and of what."""
CENTRES = (80, 270)
"""Where choice is easiest, degrees."""
FROM_BELIEFS = "the best plan found from beliefs"
NEAR = 40
"""How close to a centre users count as there, degrees."""


def claims(config: ShiftConfig) -> list[Claim[Measured]]:
    """Lists the claims about the recommenders that are trained, which follow from the penalties."""
    trained = [title(name, penalty) for name in (MYOPIC, RL) for penalty in config.penalties]
    return [
        *(
            Claim(f"{LABELS[metric]}: {more} beyond {less}", partial(_gap, more=more, less=less, metric=metric),
                  above(0.0), PAPER)
            for more, less, metric in ORDERINGS
            if more in trained and less in trained
        ),
        *(
            Claim(f"{name}: what it is paid as a fraction of {FROM_BELIEFS}, {{}}", partial(_fraction, name=name),
                  above(0.97), OURS, partial(_best, name=name))
            for name in (title(RL, penalty) for penalty in config.penalties)
        ),
        Claim(f"natural: users within {NEAR} degrees of {CENTRES[0]} at the end", _natural_share, REPORTED, "Figure 1"),
        *(
            Claim(f"{name}: users within {NEAR} degrees of {centre} at the end",
                  partial(_share, name=name, centre=centre), REPORTED, "Figures 1 and 7")
            for name in trained
            for centre in CENTRES
        ),
    ]  # fmt: skip


# Statistics: float[seeds] each.


def _gap(found: Measured, more: str, less: str, metric: str) -> np.ndarray:
    """How much more one recommender earns than another."""
    return found.named[more].means(metric) - found.named[less].means(metric)


def _fraction(found: Measured, name: str) -> np.ndarray:
    """What a recommender is paid as a fraction of what can be had from what it sees.

    Not the sum of metrics: a user and its twin under uniform slates share their draws, so that the item chosen suits
    the twin better than the reward expects, which knows the twin by u_0 alone.
    """
    return found.named[name].means("reward") / found.from_beliefs[name][0]


def _best(found: Measured, name: str) -> str:
    return f"{found.from_beliefs[name][0]:.3f}"


def _share(found: Measured, name: str, centre: float) -> np.ndarray:
    """The share of users near a centre at the end."""
    return found.named[name].users[:, -1, _near(centre)].sum(axis=-1)


def _natural_share(found: Measured) -> list[float]:
    """The share of users near the first centre at the end, under uniform slates: one number."""
    return [float(found.natural[-1, _near(CENTRES[0])].sum())]


def _near(centre: float) -> np.ndarray:
    """bool[36]: which preferences are near a centre."""
    return np.abs(np.asarray(circular_distance(DEGREES, centre))) <= NEAR + 1e-3

"""The claims about training in simulation: the orderings of Table 2, and what the model anticipates."""

from functools import partial

import numpy as np

from jaxrec.envs.preference.dynamics import DEGREES, circular_distance
from jaxrec.experiments.preference.simulation.measure import Measured
from jaxrec.experiments.preference.simulation.settings import SimulationConfig
from jaxrec.experiments.reports.claims import REPORTED, Claim, above

SOURCE = "Carroll et al., Table 2"
OURS = "beyond the paper"
TRAINED = {"oracle": "trained among users", "simulation": "trained in the model"}
EVALUATED = {"oracle": "oracle evaluation", "estimated": "estimated evaluation"}
RECOMMENDERS = ("unpenalised", "penalised")
"""In the order of `PENALTIES`."""


def claims(config: SimulationConfig) -> list[Claim[Measured]]:
    """Lists the orderings, however recommenders are trained and evaluated, and what is anticipated and lived."""
    return [
        *(
            Claim(
                f"sum, {TRAINED[trained]}, {EVALUATED[evaluated]}: penalised beyond unpenalised",
                partial(_gain, trained=trained, evaluated=evaluated),
                above(0.0),
                SOURCE,
            )
            for trained in TRAINED
            for evaluated in EVALUATED
        ),
        *(claim for penalty in range(len(RECOMMENDERS)) for claim in _anticipated(penalty)),
    ]


def _anticipated(penalty: int) -> list[Claim[Measured]]:
    name, apart = RECOMMENDERS[penalty], "total variation between preferences anticipated and lived"
    return [
        Claim(
            f"{name}, trained in the model: {apart}, mean over time",
            partial(_apart, penalty=penalty),
            REPORTED,
            OURS,
        ),
        *(
            Claim(
                f"{name}: users within 40 degrees of {centre} at the last slate, {what}",
                partial(_share, penalty=penalty, evaluated=evaluated, centre=centre),
                REPORTED,
                OURS,
            )
            for centre in (80, 270)
            for evaluated, what in (("estimated", "anticipated"), ("oracle", "lived"))
        ),
    ]


# Statistics: float[seeds] each.


def _gain(found: Measured, trained: str, evaluated: str) -> np.ndarray:
    """How much higher the sum of the three engagements is with a penalty."""
    cell = found.cells[trained, evaluated]
    return cell.means(1, "sum") - cell.means(0, "sum")


def _apart(found: Measured, penalty: int) -> np.ndarray:
    """The total variation between preferences anticipated and lived, mean over time."""
    model, real = (found.cells["simulation", evaluated].shares(penalty) for evaluated in ("estimated", "oracle"))
    return (0.5 * np.abs(model - real[:, : model.shape[1]]).sum(axis=2)).mean(axis=1)


def _share(found: Measured, penalty: int, evaluated: str, centre: float) -> np.ndarray:
    """The share of users near a centre at the last slate, which is the last time that the model tells of."""
    last = found.cells["simulation", "estimated"].shares(penalty).shape[1] - 1
    near = np.abs(np.asarray(circular_distance(DEGREES, centre))) <= 40 + 1e-3
    return found.cells["simulation", evaluated].shares(penalty)[:, last, near].sum(axis=1)

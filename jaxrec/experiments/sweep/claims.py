"""What a sweep judges: that the learner earns more than random recommendations at each point of the grid."""

from collections.abc import Callable

import numpy as np

from jaxrec.experiments.reports.claims import REPORTED, Claim, above
from jaxrec.experiments.sweep.measure import Measured
from jaxrec.experiments.sweep.settings import SweepConfig, shown

OURS = "of no paper"


def claims(config: SweepConfig) -> list[Claim[Measured]]:
    """Lists what is judged and reported at every point."""
    points = [shown(point) for point in config.points()]
    return [
        *(Claim(f"return of an episode, {name}", _value(at), REPORTED, OURS) for at, name in enumerate(points)),
        *(
            Claim(f"return of an episode, learned less random, {name}", _gain(at), above(0.0), "a learner that learns")
            for at, name in enumerate(points)
        ),
    ]


# Statistics: float[seeds] each.


def _value(point: int) -> Callable[[Measured], np.ndarray]:
    return lambda found: found.learned[point].value


def _gain(point: int) -> Callable[[Measured], np.ndarray]:
    return lambda found: found.gain(point)

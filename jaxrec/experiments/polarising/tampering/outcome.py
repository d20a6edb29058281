"""Everything the tampering study measured, in one place."""

from typing import NamedTuple

import numpy as np

from jaxrec.experiments.polarising.tampering.measures import Behaviour, Disagreement, References


class Curves(NamedTuple):
    """The course of the training.

    Attributes:
        episodes: int[chunks], episodes so far.
        clicks: float[chunks, 2, seeds], clicks an episode while exploring, with influence and without.
    """

    episodes: np.ndarray
    clicks: np.ndarray


class Outcome(NamedTuple):
    """Everything measured; leading axes of seeds.

    Attributes:
        learned: trained and evaluated with influence.
        safe: trained and evaluated without.
        safe_deployed: trained without, evaluated with.
        baselines: evaluated with influence, on the draws of each seed.
        references: exact values.
        decoupled_values: float[seeds, users], exact clicks of the policies trained without influence, in that world.
        disagreement: of the policies of the two worlds.
        curves: the course of the training.
    """

    learned: Behaviour
    safe: Behaviour
    safe_deployed: Behaviour
    baselines: dict[str, Behaviour]
    references: References
    decoupled_values: np.ndarray
    disagreement: Disagreement
    curves: Curves

"""The user profiles of the paper: initial click probabilities for the left, centre and right source (section 4.2)."""

from collections.abc import Mapping

import numpy as np

TRAINING: Mapping[str, tuple[float, float, float]] = {
    "strong left": (0.4, 0.1, 0.1),
    "moderate left": (0.3, 0.25, 0.1),
    "centrist": (0.2, 0.4, 0.2),
    "moderate right": (0.1, 0.25, 0.3),
    "strong right": (0.1, 0.1, 0.4),
}

UNSEEN: Mapping[str, tuple[float, float, float]] = {
    "extremely left": (0.5, 0.05, 0.05),
    "extremely right": (0.05, 0.05, 0.5),
    "left anti-centrist": (0.35, 0.05, 0.2),
    "right anti-centrist": (0.2, 0.05, 0.35),
}


def population(profiles: Mapping[str, tuple[float, float, float]]) -> np.ndarray:
    """Returns profiles as float64[profiles, 3], the `population` of `PolarisingParams`."""
    return np.array(list(profiles.values()))

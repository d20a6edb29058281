"""Users whose preferences shift, in plain loops."""

import numpy as np

from jaxrec.envs.preference import PreferenceShift, fitted_params

ENV = PreferenceShift(observe_as="state")
PARAMS = fitted_params("optima")
"""Constants for which independent programs have numbers."""


def plain_distance(a, b):
    d = abs(a - b) % 360
    return min(d, 360 - d)


def plain_slate(mean, deviation):
    weights = [np.exp(-((plain_distance(10 * x, mean) / deviation) ** 2) / 2) for x in range(36)]
    return np.array(weights) / sum(weights)

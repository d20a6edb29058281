"""Users whose preferences shift, in plain loops."""

import numpy as np

from jaxrec.envs.preference import PreferenceShift

ENV = PreferenceShift(observe_as="state")
PARAMS = ENV.default_params


def plain_distance(a, b):
    d = abs(a - b) % 360
    return min(d, 360 - d)


def plain_slate(mean, deviation):
    weights = [np.exp(-((plain_distance(10 * x, mean) / deviation) ** 2) / 2) for x in range(36)]
    return np.array(weights) / sum(weights)

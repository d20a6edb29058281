"""Users whose preferences shift, in plain loops."""

import numpy as np

from jaxrec.envs.preference import PreferenceShift, fitted_params, fitted_slates


def env_of(fitted):
    return PreferenceShift(slate_means=fitted_slates(fitted), observe_as="state")


ENV = env_of("optima")
PARAMS = fitted_params("optima")
"""Constants for which independent programs have numbers."""


CONSTANTS = {
    "optima": (0.1, 22, 15, 31),
    "beliefs-from-20": (0.408, 75.8, 35.6, 54.6),
    "beliefs": (0.293, 104, 35.6, 48.5),
}
"""choice_base, both widths, rationality."""

MEANS = {"optima": range(20, 380, 60), "beliefs-from-20": range(20, 380, 60), "beliefs": range(0, 360, 60)}
"""Of the slates, degrees."""


def plain_distance(a, b):
    d = abs(a - b) % 360
    return min(d, 360 - d)


def plain_slate(mean, deviation):
    weights = [np.exp(-((plain_distance(10 * x, mean) / deviation) ** 2) / 2) for x in range(36)]
    return np.array(weights) / sum(weights)


def plain_cos(x, u):
    return np.cos(np.radians(10 * (x - u)))


def plain_sharpness(u, constants):
    base, first, second, _ = constants
    near = (1 - base) * np.exp(-((plain_distance(10 * u, 80) / first) ** 2) / 2)
    return base + near + (4 - base) * np.exp(-((plain_distance(10 * u, 270) / second) ** 2) / 2)


def plain_choice(slate, u, constants):
    weights = np.array([slate[x] * np.exp(plain_sharpness(u, constants) * plain_cos(x, u)) for x in range(36)])
    return weights / weights.sum()


def plain_shift(slate, u, constants):
    belief = slate**3 / (slate**3).sum()
    worth = []
    for new in range(36):
        chosen = plain_choice(belief, new, constants)
        worth.append(sum(chosen[x] * (0.9 * plain_cos(x, u) + 0.1 * plain_cos(x, new)) for x in range(36)))
    weights = np.exp(constants[3] * (np.array(worth) - max(worth)))
    return weights / weights.sum()

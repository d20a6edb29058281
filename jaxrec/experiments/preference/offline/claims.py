"""The claims about offline learning: what is believed, what is recovered, and what is safe by accident."""

from functools import partial

import numpy as np

from jaxrec.experiments.preference.offline.measure import OPTIMUM, Measured
from jaxrec.experiments.preference.offline.settings import UPWARDS, OfflineConfig, constrained, platform
from jaxrec.experiments.reports.claims import REPORTED, Claim, above, below
from jaxrec.offline import METHODS

EXTRAPOLATION = "Fujimoto, Meger & Precup 2019: values of actions that were never logged are extrapolated upwards"
CONSTRAINED = "Fujimoto, Meger & Precup 2019: a batch-constrained learner improves on the logs"
LAMBERT = "Lambert 2020, platforms log, learn offline and redeploy"
OURS = "beyond the papers"
BELIEVED = "believed beyond true engagement"
CLOSED = "share of the way from the platform to the optimum that the best of the learners comes"
SAFER = "safe engagement beyond that of the optimum"
NEARLY = 0.9
"""Of the way to the optimum: what counts as recovering it."""


def claims(config: OfflineConfig) -> list[Claim[Measured]]:
    """Lists the claims about each platform, learned from the logs of most users, and about off-policy estimates."""
    listed: list[Claim[Measured]] = []
    for number, exploration in enumerate(config.explorations):
        listed += _of_platform(config, number, exploration)
    return [
        *listed,
        *(
            Claim(f"{name}: estimate of the optimum minus its value", partial(_off, method=name), REPORTED, OURS)
            for name in METHODS
        ),
    ]


def _of_platform(config: OfflineConfig, number: int, exploration: float) -> list[Claim[Measured]]:
    name, learners = platform(exploration), config.learners
    random = exploration == 1
    listed = [
        Claim(f"{name}, {UPWARDS}: {BELIEVED}", partial(_optimism, at=number, learner=0), above(0.0), EXTRAPOLATION)
    ]
    for at, learner in enumerate(learners[1:], start=1):
        of_threshold = at <= len(config.thresholds)
        judge, source = (above(0.0), CONSTRAINED) if of_threshold else (REPORTED, OURS)
        listed += [
            Claim(f"{name}, {learner}: {BELIEVED}", partial(_optimism, at=number, learner=at), REPORTED, OURS),
            Claim(f"{name}, {learner}: engagement beyond the platform's", partial(_gain, at=number, learner=at),
                  judge, source),
        ]  # fmt: skip
    listed.append(
        Claim(f"{name}: {CLOSED}", partial(_closed, at=number), REPORTED if random else below(NEARLY),
              OURS if random else f"{LAMBERT}: nobody recovers the optimum from a myopic platform's logs")
    )  # fmt: skip
    for at, threshold in enumerate(config.thresholds, start=1):
        listed.append(
            Claim(f"{name}, {constrained(threshold)}: {SAFER}", partial(_safer, at=number, learner=at),
                  above(0.0, claimed=not random),
                  f"{OURS}: conservatism towards the logs is safe by accident of what was logged")
        )  # fmt: skip
    return listed


# Statistics: float[seeds] each, learned from most users.


def _optimism(found: Measured, at: int, learner: int) -> np.ndarray:
    return found.believed[at, -1, learner] - found.worth[at, -1, learner, 0]


def _gain(found: Measured, at: int, learner: int) -> np.ndarray:
    return found.worth[at, -1, learner, 0] - found.logged[at, 0]


def _closed(found: Measured, at: int) -> np.ndarray:
    """Of the learner that truly earns most in each seed, which nobody can pick from logs."""
    best, platform = found.worth[at, -1, :, 0].max(axis=0), found.logged[at, 0]
    return (best - platform) / (found.references[OPTIMUM][0] - platform)


def _safer(found: Measured, at: int, learner: int) -> np.ndarray:
    return found.worth[at, -1, learner, 1:].sum(axis=0) - found.references[OPTIMUM][1:].sum()


def _off(found: Measured, method: str) -> np.ndarray:
    return found.estimates[method][-1, :, 0] - found.references[OPTIMUM][0]

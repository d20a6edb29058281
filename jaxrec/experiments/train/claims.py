"""What a training judges: that the learner earns more than random recommendations; all else is reported."""

from collections.abc import Callable

import numpy as np

from jaxrec.experiments.reports.claims import REPORTED, Claim, above
from jaxrec.experiments.train.measure import LEARNED, RANDOM, Measured, baselines
from jaxrec.experiments.train.settings import TrainConfig

OURS = "of no paper"
EARNS = "return of an episode, learned"


def gain(name: str) -> str:
    """The claim about what is earned more than by another policy."""
    return f"return of an episode, learned less {name}"


def claims(config: TrainConfig) -> list[Claim[Measured]]:
    """Lists what is judged and reported."""
    env, _ = config.world()
    others = [Claim(gain(name), _gain(name), REPORTED, OURS) for name in baselines(env) if name != RANDOM]
    return [
        Claim(EARNS, lambda found: found.played[LEARNED].value, REPORTED, OURS),
        Claim(gain(RANDOM), _gain(RANDOM), above(0.0), "a learner that learns"),
        *others,
        Claim("user utility a step, learned less random", _user, REPORTED, OURS),
        Claim("social utility at the end of an episode, learned less random", _society, REPORTED, OURS),
        Claim("share of episodes that were cut off", lambda found: found.played[LEARNED].cut_off, REPORTED, OURS),
    ]


# Statistics: float[seeds] each.


def _gain(name: str) -> Callable[[Measured], np.ndarray]:
    return lambda found: found.gain(name)


def _user(found: Measured) -> np.ndarray:
    return found.played[LEARNED].user - found.played[RANDOM].user


def _society(found: Measured) -> np.ndarray:
    return found.played[LEARNED].society - found.played[RANDOM].society

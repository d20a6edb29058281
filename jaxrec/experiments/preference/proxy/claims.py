"""The claims of the study of proxies: Goodhart's law, and whether asking escapes it."""

from functools import partial

import numpy as np

from jaxrec.experiments.preference.proxy.measure import Measured
from jaxrec.experiments.preference.proxy.settings import ASKER, PROXIES, ProxyConfig
from jaxrec.experiments.reports.claims import REPORTED, Claim, above, exact

GOODHART = 'Lambert, "Recommendations are a game", on clicks and dwelling as proxies (Goodhart\'s law)'
VALUE_LEARNING = 'Lambert, "Recommendations are a game": interactive value learning'
OURS = "beyond the papers"

FALL = "true value at its peak less that at the end of the training"
EXACT_FALL = "true value at its peak less that of the strongest optimisation, exact"
BEYOND = f"true value after the training: {ASKER} beyond paid for {{}}"
QUESTIONS = f"{ASKER}: questions an episode after the training"


def claims(config: ProxyConfig) -> list[Claim[Measured]]:
    """Lists the claims about each proxy, and about the recommender that asks."""
    proxies = [name for name in PROXIES if name != "mean"]
    return [
        *(Claim(f"paid for {name}: {FALL}", partial(_fall, name=name), above(0.0), GOODHART) for name in proxies),
        Claim(f"paid for the mean: {FALL}", partial(_fall, name="mean"), above(0.0, claimed=False), OURS),
        Claim(f"{ASKER}: {FALL}", partial(_fall, name=ASKER), above(0.0, claimed=False), VALUE_LEARNING),
        *(
            Claim(f"paid for {name}: {EXACT_FALL}", partial(_exact_fall, name=name), exact(">", 0.0), GOODHART)
            for name in proxies
        ),
        *(
            Claim(BEYOND.format(name), partial(_beyond, name=name), above(0.0), VALUE_LEARNING)
            for name in ("clicks", "dwelling", "mean")
        ),
        Claim(
            f"true value after the training: {ASKER} beyond the exact optimum that does not ask and sees preferences",
            lambda found: found.outcomes[ASKER].sums["value"] - found.frontier.best,
            above(0.0),
            VALUE_LEARNING,
        ),
        Claim(QUESTIONS, lambda found: found.outcomes[ASKER].sums["question"], REPORTED, OURS),
        Claim(
            f"{ASKER}: certainty of the user's kind before the last step",
            lambda found: found.outcomes[ASKER].certainty,
            REPORTED,
            OURS,
        ),
    ]


def peak(value: np.ndarray) -> np.ndarray:
    """Finds where the value of each seed's fellows is highest: for itself no maximum of noise.

    Args:
        value: float[chunks, seeds].

    Returns:
        int[seeds], chunks; of a single seed its own highest.
    """
    seeds = value.shape[1]
    if seeds == 1:
        return value.argmax(axis=0)
    others = (value.sum(axis=1, keepdims=True) - value) / (seeds - 1)
    return others.argmax(axis=0)


# Statistics: float[seeds] each, but of exact policies.


def _fall(found: Measured, name: str) -> np.ndarray:
    value = found.courses[name].value
    return value[peak(value), np.arange(value.shape[1])] - value[-1]


def _exact_fall(found: Measured, name: str) -> float:
    value = found.frontier.value[name]
    return float(value.max() - value[found.frontier.divergence[name].argmax()])


def _beyond(found: Measured, name: str) -> np.ndarray:
    return found.outcomes[ASKER].sums["value"] - found.outcomes[name].sums["value"]

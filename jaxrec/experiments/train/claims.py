"""What a training is judged by: whether it learned anything, and what else the learned policy does."""

from functools import partial

import numpy as np

from jaxrec.experiments.reports.claims import REPORTED, Claim, above
from jaxrec.experiments.train.measure import LEARNED, Measured
from jaxrec.experiments.train.settings import TrainConfig

OURS = "beyond the paper"
RETURN = "return of the learned policy, an episode"
FIELDS = {
    "user": "user utility a step",
    "society": "social utility at the end of an episode",
    "length": "steps of an episode",
    "cut_off": "share of episodes that were cut off",
}


def beyond(name: str) -> str:
    """How the claim is called that the learned policy earns more than another."""
    return f"{RETURN}, less that of {name}"


def claims(config: TrainConfig) -> list[Claim[Measured]]:
    """Lists what is judged: that more is earned than by each policy beside; the rest is reported."""
    return [
        *(Claim(beyond(name), partial(_beyond, name=name), above(0.0), OURS) for name in config.compare),
        Claim(RETURN, lambda found: found.played[LEARNED].value, REPORTED, OURS),
        *(Claim(text, partial(_of, field=field), REPORTED, OURS) for field, text in FIELDS.items()),
    ]


# Statistics: float[seeds] each.


def _beyond(found: Measured, name: str) -> np.ndarray:
    return found.played[LEARNED].value - found.played[name].value


def _of(found: Measured, field: str) -> np.ndarray:
    return getattr(found.played[LEARNED], field)

"""The claims about estimated preferences: how much of what could be known is learned, and what a wrong model costs."""

from functools import partial

import numpy as np

from jaxrec.experiments.preference.estimation.measure import Measured
from jaxrec.experiments.preference.estimation.settings import EstimationConfig
from jaxrec.experiments.reports.claims import REPORTED, Claim, above

ISSUE = "asked of the estimators"
TASKS = {"future": ("Figure 5", 0.95), "initial": ("Figure 13", 0.95), "counterfactual": ("Figure 14", 0.85)}
"""Where the paper shows it, and the part of the gap between guess and oracle that is to be closed."""

METRICS = {
    "preference_loss": "loss, preferences",
    "preference_accuracy": "accuracy, preferences",
    "choice_loss": "loss, choices",
    "choice_accuracy": "accuracy, choices",
}


def claims(config: EstimationConfig) -> list[Claim[Measured]]:
    """Lists the claims about each task, and about natural shifts."""
    return [
        *(claim for task, (where, asked) in TASKS.items() for claim in _of_task(task, where, asked)),
        Claim(
            "natural shifts: total variation, mean over time",
            lambda found: found.apart.mean(axis=1),
            REPORTED,
            "Figure 6",
        ),
        Claim(
            "natural shifts: total variation, last time-step",
            lambda found: found.apart[:, -1],
            REPORTED,
            "Figure 6",
        ),
    ]


def _of_task(task: str, where: str, asked: float) -> list[Claim[Measured]]:
    return [
        *(
            Claim(
                f"{task}, {METRICS[metric]}: part of the gap between guess and oracle that is closed",
                partial(_closed, task=task, metric=metric),
                above(asked),
                ISSUE,
            )
            for metric in ("choice_loss", "preference_loss")
        ),
        Claim(
            f"{task}, loss of choices: mis-specified beyond correct choice model",
            partial(_cost, task=task),
            above(0.0),
            where,
        ),
        Claim(
            f"{task}, loss of preferences: Baum-Welch (one fit) beyond the network",
            partial(_network_gains, task=task),
            above(0.0),
            "a network against expectation maximisation",
        ),
    ]


def _closed(found: Measured, task: str, metric: str) -> np.ndarray:
    """float[seeds]: the part of the gap that the model with the correct choice model closes."""
    return found.closed(task, metric)


def _cost(found: Measured, task: str) -> np.ndarray:
    """float[seeds]: how much more choices are worth, in loss, to the mis-specified choice model."""
    return found.values("mis-specified", task, "choice_loss") - found.values("correct", task, "choice_loss")


def _network_gains(found: Measured, task: str) -> np.ndarray:
    """float[seeds]: how much less the preferences cost the networks than the hidden Markov model, in loss."""
    return found.values("baum-welch", task, "preference_loss") - found.values("correct", task, "preference_loss")

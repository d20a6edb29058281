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
        *_of_choice_models(config),
        Claim(
            "u_0 from all steps, loss of preferences: causal beyond bidirectional masks",
            lambda found: found.masked["causal"]["preference_loss"] - found.masked["bidirectional"]["preference_loss"],
            above(0.0),
            "Appendix H.2, whose masks are bidirectional",
        ),
    ]


def _of_choice_models(config: EstimationConfig) -> list[Claim[Measured]]:
    """Lists the claims about how far the choice model is from the correct one."""
    picking = [
        Claim(
            "choice models: held-out loss of choices, the best wrong one beyond the correct one",
            _told_apart,
            above(0.0),
            "section 7.1 and Appendix B",
        ),
        Claim("choice models: dose with the lowest held-out loss of choices", _picked, REPORTED, "section 7.1"),
    ]
    most = max(config.all_doses)
    further = [
        Claim(
            f"choice models, future, {METRICS[metric]}: dose {most:g} beyond dose 1",
            partial(_further, metric=metric),
            above(0.0),
            "Appendix H.2",
        )
        for metric in ("preference_loss", "choice_loss")
    ]
    return picking + (further if most > 1 else [])


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


def _told_apart(found: Measured) -> np.ndarray:
    """float[seeds]: how far the correct choice model is below the best of the others, in loss of held-out choices."""
    losses, correct = found.dosed["choice_loss"], found.doses == 0
    return losses[~correct].min(axis=0) - losses[correct][0]


def _picked(found: Measured) -> np.ndarray:
    """float[seeds]: the dose of the choice model with the lowest loss of held-out choices."""
    return found.doses[found.dosed["choice_loss"].argmin(axis=0)]


def _further(found: Measured, metric: str) -> np.ndarray:
    """float[seeds]: the loss at the largest dose beyond that of the mis-specified choice model."""
    return found.dosed[metric][-1] - found.dosed[metric][found.doses == 1][0]

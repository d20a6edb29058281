"""The report of estimated preferences: losses and accuracies beside oracle and guess, natural shifts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from jaxrec.experiments.preference import figures
from jaxrec.experiments.reports.figures import interval_line
from jaxrec.experiments.reports.findings import Finding, above, measured
from jaxrec.experiments.reports.report import Report, Section
from jaxrec.statistics import estimate

PAPER = "Carroll et al., section 7.1"
ISSUE = "asked of the estimators"
TASKS = {"future": ("Figure 5", 0.95), "initial": ("Figure 13", 0.95), "counterfactual": ("Figure 14", 0.85)}
"""Where the paper shows it, and the part of the gap between guess and oracle that is to be closed."""

COLOURS = {"random": "#9a9a9a", "oracle": "#2e933c", "correct": "#3066be", "mis-specified": "#d1495b"}


class Scores(NamedTuple):
    """Over validation users and time-steps: mean negative log-likelihood, and how often the likeliest is right."""

    preference_loss: Any
    preference_accuracy: Any
    choice_loss: Any
    choice_accuracy: Any


METRICS = {
    "preference_loss": "loss, preferences",
    "preference_accuracy": "accuracy, preferences",
    "choice_loss": "loss, choices",
    "choice_accuracy": "accuracy, choices",
}


@dataclass
class Estimated:
    """What the study measured.

    Attributes:
        scored: predictor -> one for each seed, task -> `Scores`.
        natural: float[steps, 36], P(u_t^rnd) over the validation users.
        simulated: float[seeds, steps, 36], the same as estimated.
    """

    scored: dict[str, list[dict[str, Scores]]]
    natural: np.ndarray
    simulated: np.ndarray

    def values(self, predictor: str, task: str, metric: str) -> np.ndarray:
        """float[seeds]."""
        return np.array([float(getattr(seed[task], metric)) for seed in self.scored[predictor]])

    def closed(self, task: str, metric: str, predictor: str = "correct") -> np.ndarray:
        """float[seeds]: the part of the gap between guess and oracle that is closed."""
        guess, best = (self.values(name, task, metric)[0] for name in ("random", "oracle"))
        return (guess - self.values(predictor, task, metric)) / (guess - best)

    @property
    def apart(self) -> np.ndarray:
        """float[seeds, steps]: the total variation between true and estimated natural preferences."""
        return 0.5 * np.abs(self.simulated - self.natural).sum(axis=2)


def write(found: Estimated, config: Any) -> Report:
    """Everything that the study found."""
    report = Report(
        "Preferences estimated from logged choices",
        f"Transformers that see slates and choices of {config.training_users} users, {config.seeds} seeds; held "
        "against exact inference with the true dynamics (oracle) and a guess (random) on "
        f"{config.users - config.training_users} other users. Losses are mean negative log-likelihoods over users and "
        "time-steps.",
    )
    report.findings = _findings(found)
    for task, (where, _) in TASKS.items():
        report.sections.append(_section(found, task, where))
        report.figures[task] = _bars(found, task)
    report.sections.append(_natural(report, found))
    report.data = {
        "scores": {
            name: {
                task: {metric: found.values(name, task, metric) for metric in METRICS} for task in TASKS
            } for name in found.scored
        },
        "natural": found.natural,
        "simulated": found.simulated,
    }  # fmt: skip
    return report


def _findings(found: Estimated) -> list[Finding]:
    results = []
    for task, (where, asked) in TASKS.items():
        for metric in ("choice_loss", "preference_loss"):
            name = f"{task}, {METRICS[metric]}: part of the gap between guess and oracle that is closed"
            results.append(above(name, found.closed(task, metric), asked, ISSUE))
        worse = found.values("mis-specified", task, "choice_loss") - found.values("correct", task, "choice_loss")
        results.append(above(f"{task}, loss of choices: mis-specified beyond correct choice model", worse, 0.0, where))
    results.append(measured("natural shifts: total variation, mean over time", found.apart.mean(axis=1), "Figure 6"))
    results.append(measured("natural shifts: total variation, last time-step", found.apart[:, -1], "Figure 6"))
    return results


def _section(found: Estimated, task: str, where: str) -> Section:
    rows = [(name, *(str(estimate(found.values(name, task, metric))) for metric in METRICS)) for name in found.scored]
    text = {
        "future": "P(u_t) and P(x_t) from the steps before t.",
        "initial": "P(u_0) from steps 0 ... t; P(x_0) from steps 1 ... t.",
        "counterfactual": "The same users under uniform slates: P(u_t) and P(x_t) from the initial preference that all "
        "their logged steps tell of, and the steps before t under uniform slates.",
    }[task]
    return Section(f"{task.capitalize()} preferences ({where})", text, ("predictor", *METRICS.values()), rows, [task])


def _bars(found: Estimated, task: str) -> Figure:
    """One panel a metric, one bar a predictor, with intervals over seeds."""
    figure = Figure(figsize=(11, 2.8), layout="constrained")
    for axes, (metric, label) in zip(figure.subplots(1, len(METRICS)), METRICS.items(), strict=True):
        for place, name in enumerate(found.scored):
            value = estimate(found.values(name, task, metric))
            half = 0.0 if value.low is None else value.value - value.low
            axes.bar(place, value.value, yerr=half, color=COLOURS[name], capsize=3, width=0.7)
            top, above = (place, value.value + half), (0, 3)  # points: clear of the cap
            axes.annotate(f"{value.value:.2f}", top, above, textcoords="offset points", ha="center", fontsize=7)
        axes.margins(y=0.1)
        axes.set_xticks(range(len(found.scored)), _short(list(found.scored)), fontsize=8)
        axes.set(title=label)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _short(names: Sequence[str]) -> list[str]:
    return [name.replace("mis-specified", "mis-\nspecified") for name in names]


def _natural(report: Report, found: Estimated) -> Section:
    report.figures["natural"] = figures.heat_maps(
        [("true", found.natural), ("estimated", found.simulated.mean(axis=0))]
    )
    figure = Figure(figsize=(5.2, 2.8), layout="constrained")
    axes = figure.subplots()
    interval_line(axes, np.arange(len(found.natural)), found.apart.T, "estimated against true", "#3066be")
    axes.set(xlabel="time-step", ylabel="total variation", ylim=(0, 1))
    axes.spines[["top", "right"]].set_visible(False)
    report.figures["apart"] = figure
    return Section(
        "Natural shifts (Figure 6)",
        "The share of users that prefer each angle under uniform slates: the validation users, and users simulated by "
        "the model without any past (Algorithm 1). Below, how far the two are apart.",
        figures=["natural", "apart"],
    )

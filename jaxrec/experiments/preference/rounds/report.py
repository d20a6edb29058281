"""The report of retraining in rounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxrec.experiments.preference import figures
from jaxrec.experiments.reports.figures import interval_line
from jaxrec.experiments.reports.findings import Finding, above, measured
from jaxrec.experiments.reports.report import Report, Section
from jaxrec.statistics import estimate

SOURCE = 'Lambert, "Recommendations are a game"'
OURS = "beyond the papers"
PAID = {"click": "clicks", "dwell": "dwelling"}
COLOURS = {"click": "#d1495b", "dwell": "#3066be"}


@dataclass
class Round:
    """All runs of one round.

    Attributes:
        sums: metric -> float[runs, trajectories], over an episode, of the users as they are.
        anticipated: float[runs, steps, 36], P(u_t) as the model expected before the deployment.
        lived: float[runs, steps + 1, 36], P(u_t) after it.
        error: float[runs], loss of the model on the choices logged by what was trained in it.
    """

    sums: dict[str, np.ndarray]
    anticipated: np.ndarray
    lived: np.ndarray
    error: np.ndarray

    def of(self, mine: np.ndarray) -> "Round":
        """Some of the runs."""
        sums = {name: values[mine] for name, values in self.sums.items()}
        return Round(sums, self.anticipated[mine], self.lived[mine], self.error[mine])

    def mean(self, metric: str) -> np.ndarray:
        """float[runs]; "safe" is engagement under initial and natural preferences together."""
        if metric == "safe":
            return self.mean("engagement_initial") + self.mean("engagement_natural")
        if metric == "error":
            return self.error
        if metric == "apart":
            steps = self.anticipated.shape[1]
            return 0.5 * np.abs(self.anticipated - self.lived[:, :steps]).sum(axis=2).mean(axis=1)
        return self.sums[metric].mean(axis=1)


METRICS = {
    "engagement": "r(u_t), engagement",
    "click": "clicks",
    "bait": "bait consumed",
    "safe": "safe: r(u_0) + r(u_t^rnd)",
    "steered": "steered: total variation from natural",
    "error": "model: loss on what is logged next",
    "apart": "model: anticipated against lived",
}


@dataclass
class Condition:
    """One kind of platform.

    Attributes:
        counts: "click" or "dwell".
        penalty: nu_1 = nu_2.
        rounds: in order.
    """

    counts: str
    penalty: float
    rounds: list[Round]

    @property
    def title(self) -> str:
        """How the report calls it."""
        return f"paid for {PAID[self.counts]}{', penalised' if self.penalty else ''}"

    def course(self, metric: str) -> np.ndarray:
        """float[rounds, seeds]."""
        return np.stack([one.mean(metric) for one in self.rounds])


def write(config: Any, found: Sequence[Condition]) -> Report:
    """Everything that the study found."""
    report = Report(
        "Retraining in rounds",
        f"Platforms that log {config.users} new users a round, learn a model of them from these logs alone, train the "
        f"next recommender in it and deploy it; {config.seeds} seeds each, {config.rounds} rounds after logs of mixed "
        f"policies. Bait of height {config.bait_height:g} lies at {config.bait_centre:g} degrees. Sums over an episode "
        "of ten slates, of the users as they are.",
    )
    named = {(one.counts, one.penalty): one for one in found}
    report.findings = _findings(named)
    rows = [
        (one.title, str(number + 1), *(str(estimate(each.mean(metric))) for metric in METRICS))
        for one in found
        for number, each in enumerate(one.rounds)
    ]
    report.sections.append(Section("Round by round", "", ("platform", "round", *METRICS.values()), rows, ["rounds"]))
    report.figures["rounds"] = _courses(found)
    report.figures["preferences"] = figures.heat_maps(
        [(one.title.replace(", ", ",\n"), np.stack([each.lived[:, -1].mean(axis=0) for each in one.rounds]))
         for one in found], "round", first=1,
    )  # fmt: skip
    report.sections.append(
        Section(
            "What users prefer in the end, round by round",
            "The share of users that prefer each angle after their last slate; every round has new users.",
            figures=["preferences"],
        )
    )
    report.data = {one.title: {metric: one.course(metric) for metric in METRICS} for one in found}
    return report


def _findings(named: dict[tuple[str, float], Condition]) -> list[Finding]:
    """The last round, seed by seed; how models fare from the first to the last."""
    last = {key: one.rounds[-1] for key, one in named.items()}

    def less(metric: str, more: tuple[str, float], fewer: tuple[str, float]) -> np.ndarray:
        return last[more].mean(metric) - last[fewer].mean(metric)

    results = []
    for penalty, kind in ((0.0, "unpenalised"), (1.0, "penalised")):
        clicks, dwells = ("click", penalty), ("dwell", penalty)
        for metric, more, fewer in (
            ("click", clicks, dwells),
            ("bait", clicks, dwells),
            ("engagement", dwells, clicks),
        ):
            name = f"{kind}: {METRICS[metric]}, paid for {PAID[more[0]]} beyond paid for {PAID[fewer[0]]}"
            results.append(above(name, less(metric, more, fewer), 0.0, SOURCE))
    for counts in COLOURS:
        name = f"paid for {PAID[counts]}: {METRICS['safe']}, penalised beyond unpenalised"
        results.append(above(name, less("safe", (counts, 1.0), (counts, 0.0)), 0.0, OURS))
    for one in named.values():
        for metric in ("error", "apart"):
            course = one.course(metric)
            name = f"{one.title}: {METRICS[metric]}, last round less first"
            results.append(measured(name, course[-1] - course[0], OURS))
    return results


def _courses(found: Sequence[Condition]) -> Figure:
    """One panel a metric, one line a platform."""
    figure = Figure(figsize=(13, 5.6), layout="constrained")
    panels = figure.subplots(2, 4).ravel()
    for axes, (metric, label) in zip(panels, METRICS.items(), strict=False):
        for one in found:
            style = "o--" if one.penalty else "o-"
            rounds = np.arange(1, len(one.rounds) + 1)
            interval_line(axes, rounds, one.course(metric), one.title, COLOURS[one.counts], style)
        axes.set(title=label, xlabel="round", xticks=range(1, len(found[0].rounds) + 1))
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].axis("off")
    panels[-1].legend(*panels[0].get_legend_handles_labels(), loc="center", frameon=False)
    return figure

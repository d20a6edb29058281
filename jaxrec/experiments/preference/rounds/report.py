"""The report of retraining in rounds."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from jaxrec.experiments.preference import figures
from jaxrec.experiments.preference.rounds.measure import PAID, Condition, Measured
from jaxrec.experiments.preference.rounds.settings import RoundsConfig
from jaxrec.experiments.reports.figures import interval_line
from jaxrec.experiments.reports.findings import Finding, above, measured, spoken, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.statistics import estimate

SOURCE = 'Lambert, "Recommendations are a game"'
OURS = "beyond the papers"
COLOURS = {"click": "#d1495b", "dwell": "#3066be"}

METRICS = {
    "engagement": "r(u_t), engagement",
    "click": "clicks",
    "bait": "bait consumed",
    "safe": "safe: r(u_0) + r(u_t^rnd)",
    "steered": "steered: total variation from natural",
    "error": "model: loss on what is logged next",
    "apart": "model: anticipated against lived",
}


def report(config: RoundsConfig, measurements: Measured) -> Report:
    """The last round, and the course of every metric."""
    found = measurements.conditions
    written = Report(
        "Retraining in rounds",
        f"Platforms that log {config.users} new users a round, learn a model of them from these logs alone, train the "
        f"next recommender in it and deploy it; {config.seeds} seeds each, {config.rounds} rounds after logs of mixed "
        f"policies. Bait of height {config.bait_height:g} lies at {config.bait_centre:g} degrees. Sums over an episode "
        "of ten slates, of the users as they are.",
    )
    named = {(one.counts, one.penalty): one for one in found}
    written.findings = _findings(named)
    rows = [
        (one.title, str(number + 1), *(str(estimate(each.mean(metric))) for metric in METRICS))
        for one in found
        for number, each in enumerate(one.rounds)
    ]
    written.sections.append(Section("Round by round", "", ("platform", "round", *METRICS.values()), rows, ["rounds"]))
    written.figures["rounds"] = _courses(found)
    written.figures["preferences"] = figures.heat_maps(
        [(one.title.replace(", ", ",\n"), np.stack([each.lived[:, -1].mean(axis=0) for each in one.rounds]))
         for one in found], "round", first=1,
    )  # fmt: skip
    written.sections.append(
        Section(
            "What users prefer in the end, round by round",
            "The share of users that prefer each angle after their last slate; every round has new users.",
            figures=["preferences"],
        )
    )
    written.data = {one.title: {metric: one.course(metric) for metric in METRICS} for one in found}
    written.answers = _answers(written.findings)
    return written


def _answers(findings: list[Finding]) -> list[Answer]:
    named = {one.name: one for one in findings}
    more = named[f"unpenalised: {METRICS['bait']}, paid for clicks beyond paid for dwelling"]
    worse = named[f"unpenalised: {METRICS['engagement']}, paid for dwelling beyond paid for clicks"]
    safe = [one for one in findings if one.name.endswith("penalised beyond unpenalised")]
    error = [one.estimate for one in findings if f": {METRICS['error']}, last round" in one.name]
    return [
        Answer(
            f"Does paying for clicks bring clickbait? {spoken(more.verdict)}: in the last round, without penalty, "
            f"users consume {more.estimate} more bait an episode than where dwelling is paid.",
            "rounds",
        ),
        Answer(
            f"Does paying for dwelling engage users more? {spoken(worse.verdict)}: r(u_t) is higher "
            f"by {worse.estimate}."
        ),
        Answer(
            "Does a penalty keep the shifts of preferences safe? Of the two kinds of platform, in so many: "
            f"{tally(safe)}.",
            "preferences",
        ),
        Answer(
            "Do models keep up with users whom they have changed? From the first round to the last, their loss on what "
            f"is logged next changes by {', '.join(map(str, error))}."
        ),
    ]


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

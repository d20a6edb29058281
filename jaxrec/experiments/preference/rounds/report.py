"""The report of retraining in rounds."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from jaxrec.experiments.preference import figures
from jaxrec.experiments.preference.rounds.claims import METRICS
from jaxrec.experiments.preference.rounds.measure import Condition, Measured
from jaxrec.experiments.preference.rounds.settings import RoundsConfig
from jaxrec.experiments.reports.figures import interval_line
from jaxrec.experiments.reports.findings import Finding, spoken, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.statistics import estimate

COLOURS = {"click": "#d1495b", "dwell": "#3066be"}


def report(config: RoundsConfig, measurements: Measured, findings: list[Finding]) -> Report:
    """Shows the last round, and the course of every metric.

    Args:
        config: the settings.
        measurements: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    found = measurements.conditions
    written = Report(
        "Retraining in rounds",
        f"Platforms that log {config.users} new users a round, learn a model of them from these logs alone, train the "
        f"next recommender in it and deploy it; {config.seeds} seeds each, {config.rounds} rounds after logs of mixed "
        f"policies. Bait of height {config.bait_height:g} lies at {config.bait_centre:g} degrees. Sums over an episode "
        "of ten slates, of the users as they are.",
    )
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
    written.answers = _answers(findings)
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

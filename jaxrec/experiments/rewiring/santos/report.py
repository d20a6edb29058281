"""The report of the base model: at which W half of the runs end in cooperation, and where in the T x S plane."""

import numpy as np
from matplotlib.figure import Figure

from jaxrec.experiments.reports.figures import interval_line
from jaxrec.experiments.reports.findings import Finding
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.experiments.rewiring import reference
from jaxrec.experiments.rewiring.figures import heat_map
from jaxrec.experiments.rewiring.santos.claims import HIGH, LOW, prevails
from jaxrec.experiments.rewiring.santos.measure import Measured
from jaxrec.experiments.rewiring.santos.settings import SantosConfig
from jaxrec.experiments.rewiring.sweep import Ends
from jaxrec.statistics import estimate


def report(config: SantosConfig, measured: Measured, findings: list[Finding]) -> Report:
    """Shows the scan over W and the contours.

    Args:
        config: the settings.
        measured: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    written = Report(
        "Cooperation prevails when users leave bad ties fast enough",
        f"The base model (rules `santos`, local heuristic): {config.users} users, mean degree {config.degree}, "
        "prisoner's dilemma T = 2, S = -1.",
    )
    written.figures["critical"] = _scan_figure(config, prevails(measured), measured.scan)
    written.sections.append(_scan_section(config, prevails(measured), measured.scan))
    names = ("cooperation", "max_degree", "degree_variance", "steps", "fixated")
    scan = {name: getattr(measured.scan, name)[0] for name in names}
    written.data["scan"] = {"timescales": config.timescales, **scan}
    if measured.plane is not None:
        t, s = config.payoffs
        cooperation = measured.plane.cooperation[0].mean(axis=-1)
        written.figures["contours"] = _contours(config, cooperation)
        written.sections.append(_plane_section(config, cooperation))
        written.data["plane"] = {"timescales": config.plane_timescales, "T": t, "S": s, "cooperation": cooperation}
    written.answers = _answers(config, measured, findings)
    return written


def _answers(config: SantosConfig, measured: Measured, findings: list[Finding]) -> list[Answer]:
    critical, scan = findings[0], measured.scan
    found = (
        f"half of the runs do at W = {critical.estimate}"
        if np.isfinite(critical.value)
        else "the fraction of runs that do crosses one half at none of the W that were run"
    )
    first, last = (f"{prevails(measured)[i].mean():.0%} at W = {config.timescales[i]:g}" for i in (0, -1))
    answers = [
        Answer(
            f"Do half of the runs end in cooperation at a W between {LOW} and {HIGH}, as Santos et al. report? "
            f"{critical.answer}: {found}.",
            "critical",
        ),
        Answer(f"Of the runs, {first} and {last} end with more cooperators than defectors."),
        Answer(
            "Does leaving ties make some users popular? The maximum degree is "
            f"{scan.max_degree[0, 0].mean():.0f} at W = {config.timescales[0]:g}, and at most "
            f"{scan.max_degree[0].mean(axis=-1).max():.0f} at the others (mean degree: {config.degree})."
        ),
    ]
    if measured.plane is not None:
        means = [plane.mean() for plane in measured.plane.cooperation[0]]
        answers.append(
            Answer(
                f"Over the T x S plane, the mean of cooperation goes from {means[0]:.2f} at W = "
                f"{config.plane_timescales[0]:g} to {means[-1]:.2f} at W = {config.plane_timescales[-1]:g}.",
                "contours",
            )
        )
    return answers


def _scan_figure(config: SantosConfig, cooperates: np.ndarray, ends: Ends) -> Figure:
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    interval_line(left, config.timescales, cooperates.astype(float), "jaxrec", "#2e933c")
    left.plot(list(reference.SANTOS), list(reference.SANTOS.values()), "x", color="black", label="independent program")
    left.legend(frameon=False)
    left.set(title="runs that end in cooperation", xlabel="W", ylim=(-0.05, 1.05))
    interval_line(middle, config.timescales, ends.max_degree[0], "", "#3066be")
    middle.set(title="maximum degree", xlabel="W")
    interval_line(right, config.timescales, ends.degree_variance[0], "", "#3066be")
    right.set(title="degree variance", xlabel="W")
    for axes in (left, middle, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _scan_section(config: SantosConfig, cooperates: np.ndarray, ends: Ends) -> Section:
    return Section(
        "Cooperation over W",
        f"{config.runs} runs at each W, to fixation or {config.steps:,} time-steps; bands: 95 % intervals.",
        ("W", "ends in cooperation", "independent", "maximum degree", "degree variance", "time-steps", "fixated"),
        [
            (
                f"{w:g}",
                str(estimate(cooperates[i].astype(float))),
                f"{reference.SANTOS[w]:.2f}" if w in reference.SANTOS else "-",
                str(estimate(ends.max_degree[0, i])),
                f"{ends.degree_variance[0, i].mean():.0f}",
                f"{ends.steps[0, i].mean():,.0f}",
                f"{ends.fixated[0, i].mean():.2f}",
            )
            for i, w in enumerate(config.timescales)
        ],
        ["critical"],
    )


def _contours(config: SantosConfig, cooperation: np.ndarray) -> Figure:
    t, s = config.payoffs
    columns = min(3, len(config.plane_timescales))
    rows = -(-len(config.plane_timescales) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.7 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axes, w, plane in zip(panels, config.plane_timescales, cooperation, strict=False):
        heat_map(figure, axes, t, s, plane, f"W = {w:g}", "RdYlBu", (0, 1))
    return figure


def _plane_section(config: SantosConfig, cooperation: np.ndarray) -> Section:
    return Section(
        "Cooperation over T and S",
        f"{config.plane_users} users, mean degree {config.plane_degree}, {config.plane_runs} runs a cell, to "
        f"fixation or {config.plane_steps:,} time-steps: the region of cooperation grows with W.",
        ("W", "cooperation, mean over the plane"),
        [(f"{w:g}", f"{plane.mean():.3f}") for w, plane in zip(config.plane_timescales, cooperation, strict=True)],
        ["contours"],
    )

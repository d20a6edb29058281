"""The report of the rewiring baselines: Figures 5, 6, 13 and 14, next to published and independent figures."""

import numpy as np
from matplotlib.figure import Figure

from jaxrec.envs.rewiring import ELEVEN
from jaxrec.envs.rewiring.simulation.simulator import CHECK_EVERY
from jaxrec.experiments.reports.figures import error_bars, interval_line, log_scale
from jaxrec.experiments.reports.findings import Finding, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.experiments.rewiring import reference
from jaxrec.experiments.rewiring.baselines.claims import SEGREGATES, along, figure_of
from jaxrec.experiments.rewiring.baselines.measure import Measured
from jaxrec.experiments.rewiring.baselines.settings import (
    CORNERS,
    CORNERS_S,
    CORNERS_T,
    COURSE,
    PAYOFFS_S,
    PAYOFFS_T,
    BaselinesConfig,
)
from jaxrec.experiments.rewiring.figures import COLOURS, heat_map
from jaxrec.experiments.rewiring.reference import FIVE
from jaxrec.experiments.rewiring.sweep import Ends
from jaxrec.statistics import estimate


def report(config: BaselinesConfig, found: Measured, findings: list[Finding]) -> Report:
    """Shows each of the three sweeps next to the published and the independent figures.

    Args:
        config: the settings.
        found: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    written = Report(
        "Rewiring baselines: what fixed recommenders do to cooperation",
        f"Prisoner's dilemma on a graph of {config.users} users (mean degree {config.degree}) who imitate fitter "
        f"neighbours and leave defectors; rules `{config.rules}`. W is the number of structural updates for each "
        "strategy update.",
    )
    _add_heuristics(config, found.heuristics, written)
    if found.plane is not None:
        _add_plane(config, found.plane, written)
    if found.corners is not None:
        written.sections.append(_corners(config, found.corners))
    if found.course is not None:
        written.figures["segregation"] = _segregation(found.course)
        written.sections.append(_course(config, found.course))
    for users, ends in found.scatter.items():
        _add_scatter(users, found.limits[users], ends, written)
    written.answers = _answers(config, found, findings)
    return written


def _answers(config: BaselinesConfig, found: Measured, findings: list[Finding]) -> list[Answer]:
    cooperation = dict(zip(FIVE, found.heuristics.cooperation.mean(axis=(1, 2)), strict=True))
    order = sorted(FIVE, key=lambda one: -cooperation[one])
    ranks = [one for one in findings if one.name.startswith("cooperation, mean over W") and one.reference is not None]
    variance = [one for one in findings if one.name.startswith("degree variance")]
    means = ", ".join(f"{one} {cooperation[one]:.2f}" for one in order)
    answers = [
        Answer(
            f"Which recommender serves cooperation best? Over all W the cooperators at the end are: {means}. Of the "
            f"paper's orderings of pairs, those that hold: {tally(ranks)}.",
            "figure6",
        ),
        Answer(
            "Does the local heuristic make degrees more unequal than the others do? Of the comparisons with four "
            f"others, those that hold: {tally(variance)}."
        ),
    ]
    if found.plane is not None:
        dilemma = found.plane.cooperation[0, -1, 0, 0].mean()
        answers.append(
            Answer(
                f"Without rewiring, {dilemma:.0%} of users cooperate in the end in the prisoner's dilemma T = 2, S = "
                f"-1; over the whole T x S plane {found.plane.cooperation.mean():.0%} do.",
                "figure5",
            )
        )
    if found.course is not None:
        named = {one.name: one for one in findings}
        answers.append(
            Answer(
                "Does fair, which does worse than random, segregate users, as the paper suspects? "
                f"{named[SEGREGATES].answer}: along the course its assortativity is "
                f"{named[SEGREGATES].estimate} above that of random, W = {COURSE:g}.",
                "segregation",
            )
        )
    for users in list(found.scatter)[:1]:
        both = [one for one in findings if one.name.startswith("N = ")]
        answers.append(
            Answer(
                "Does recommending cooperators bring more cooperation, and recommending defectors more requests? Of "
                f"these claims, at all sizes, those that hold: {tally(both)}.",
                f"scatter{users}",
            )
        )
    return answers


def _add_heuristics(config: BaselinesConfig, ends: Ends, written: Report) -> None:
    """Adds Figure 6: five heuristics over W."""
    written.figures["figure6"] = _figure_6(config, ends)
    written.sections.append(_heuristics_section(config, ends))
    written.data["heuristics"] = {
        "recommenders": FIVE,
        "timescales": config.timescales,
        **{name: getattr(ends, name) for name in ("cooperation", "degree_variance", "max_degree", "assortativity")},
        "requests_per_opportunity": ends.requests_per_opportunity,
    }


def _heuristics_section(config: BaselinesConfig, ends: Ends) -> Section:
    rows = []
    for i, one in enumerate(FIVE):
        for j, w in enumerate(config.timescales):
            known = reference.HEURISTICS.get(w, {}).get(one) if config.rules == "carvalho" else None
            rows.append(
                (
                    one,
                    f"{w:g}",
                    str(estimate(ends.cooperation[i, j])),
                    "-" if known is None else f"{known[0]:.3f} ± {known[1]:.3f}",
                    f"{ends.requests_per_opportunity[i, j].mean():.2f}",
                    f"{ends.degree_variance[i, j].mean():.0f}",
                    f"{ends.max_degree[i, j].mean():.0f}",
                    f"{ends.assortativity[i, j].mean():.2f}",
                    str(estimate(ends.steps[i, j] / 1000)),
                    f"{ends.fixated[i, j].mean():.2f}",
                )
            )
    header = (
        "recommender", "W", "cooperation", "independent", "requests per opportunity", "degree variance",
        "maximum degree", "assortativity", "thousand time-steps", "fixated",
    )  # fmt: skip
    return Section(
        "Figure 6: five heuristics over W",
        f"Mean and 95 % interval over {config.runs} runs, each to fixation (tested every 5 000 time-steps) or "
        f"{config.steps:,} time-steps. Fixated: how many ended so. Independent: 200 runs a cell of another program of "
        "the same rules.",
        header,
        rows,
        ["figure6"],
    )


def _figure_6(config: BaselinesConfig, ends: Ends) -> Figure:
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    panels = {
        "cooperators at the end": ends.cooperation,
        "rewire requests per opportunity": ends.requests_per_opportunity,
        "degree variance": ends.degree_variance,
        "maximum degree": ends.max_degree,
    }
    for axes, (title, values) in zip(figure.subplots(2, 2).flat, panels.items(), strict=True):
        for one, samples in zip(FIVE, values, strict=True):
            interval_line(axes, config.timescales, samples, one, COLOURS[one])
        axes.set(title=title, xlabel="W", xscale=log_scale(config.timescales))
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False)
    return figure


def _add_plane(config: BaselinesConfig, ends: Ends, written: Report) -> None:
    """Adds Figure 5: the T x S plane without rewiring."""
    cooperation, steps = ends.cooperation[0, :, :, 0], ends.steps[0, :, :, 0]
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    heat_map(figure, left, PAYOFFS_T, PAYOFFS_S, cooperation.mean(axis=-1), "cooperators at the end", "RdYlBu", (0, 1))
    heat_map(figure, right, PAYOFFS_T, PAYOFFS_S, steps.mean(axis=-1), "time-steps until the end", "viridis", None)
    written.figures["figure5"] = figure
    written.sections.append(
        Section(
            "Figure 5: without rewiring",
            f"W = 0, no recommender, {config.plane_runs} runs a cell, to fixation or {config.plane_steps:,} steps. "
            "S >= 0 and T <= 1: harmony; S < 0 and T <= 1: stag hunt; S >= 0 and T > 1: snowdrift; S < 0 and T > 1: "
            "prisoner's dilemma.",
            figures=["figure5"],
        )
    )
    written.data["plane"] = {"T": PAYOFFS_T, "S": PAYOFFS_S, "cooperation": cooperation, "steps": steps}


def _corners(config: BaselinesConfig, ends: Ends) -> Section:
    rows = [
        (one, *(str(estimate(ends.cooperation[i, *place, 0])) for place in CORNERS.values()))
        for i, one in enumerate(FIVE)
    ]
    games = ", ".join(f"{name} T = {CORNERS_T[t]:g}, S = {CORNERS_S[s]:g}" for name, (t, s) in CORNERS.items())
    return Section(
        "Four games",
        f"W = 1, {config.corner_runs} runs a cell, to fixation or {config.steps:,} time-steps: {games}.",
        ("cooperation", *CORNERS),
        rows,
    )


def _course(config: BaselinesConfig, course: np.ndarray) -> Section:
    return Section(
        "Segregation along the course",
        f"Newman's assortativity of strategies over ties at W = {COURSE:g}, every {CHECK_EVERY:,} time-steps until "
        f"fixation, where it is 0 (just before it, it jumps); of {config.course_runs} runs those that have not ended; "
        "bands: 95 % intervals.",
        ("recommender", "mean along the course"),
        [(one, str(estimate(along(course)[i]))) for i, one in enumerate(FIVE)],
        ["segregation"],
    )


def _segregation(course: np.ndarray) -> Figure:
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    steps = CHECK_EVERY * (1 + np.arange(course.shape[1]))
    for one, samples in zip(FIVE, course, strict=True):
        interval_line(axes, steps, samples, one, COLOURS[one], "-")
    axes.set(xlabel="time-steps", ylabel="assortativity", ylim=(-0.06, 0.16), title=f"W = {COURSE:g}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def _add_scatter(users: int, limit: int, ends: Ends, written: Report) -> None:
    """Adds Figure 13 or 14: cooperation and requests of the eleven recommenders."""
    cooperation = dict(zip(ELEVEN, ends.cooperation, strict=True))
    requests = dict(zip(ELEVEN, ends.requests, strict=True))
    written.figures[f"scatter{users}"] = _scatter_figure(users, cooperation, requests)
    rows = [
        (
            name,
            str(estimate(cooperation[name])),
            f"{requests[name].mean():,.0f}",
            f"{ends.rewires[i].mean():,.0f}",
            f"{ends.assortativity[i].mean():.2f}",
        )
        for i, name in enumerate(ELEVEN)
    ]
    written.sections.append(
        Section(
            f"{figure_of(users)}: eleven recommenders, N = {users}",
            f"Rules `learning`, limit {limit:,} time-steps, {ends.cooperation.shape[-1]} runs; bars: 95 % intervals. "
            "Of the three recommenders of cooperators, high-cooperators stands apart: few cooperate at the end, and "
            "requests are as many as with `bad`. Societies of `high` and `high-defectors` are the first in which all "
            "defect; no time-step follows, so that they make few requests, and lie on no frontier.",
            ("recommender", "cooperation", "requests", "rewires", "assortativity"),
            rows,
            [f"scatter{users}"],
        )
    )
    written.data[f"scatter{users}"] = {"cooperation": cooperation, "requests": requests}


def _scatter_figure(users: int, cooperation: dict[str, np.ndarray], requests: dict[str, np.ndarray]) -> Figure:
    figure = Figure(figsize=(7.5, 5.2), layout="constrained")
    axes = figure.subplots()
    for name in ELEVEN:
        x, y = estimate(requests[name]), estimate(cooperation[name])
        axes.errorbar(x.value, y.value, error_bars(y), error_bars(x), "o", color=COLOURS[name], capsize=2, label=name)
    axes.set(xlabel="rewire requests", ylabel="cooperators at the end", title=f"N = {users}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure

"""The report of the rewiring baselines: Figures 5, 6, 13 and 14, next to published and independent figures."""

import numpy as np
from matplotlib.figure import Figure

from jaxrec.envs.rewiring import ELEVEN
from jaxrec.experiments.reports.figures import error_bars, interval_line, log_scale
from jaxrec.experiments.reports.findings import Finding, above, measured, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.experiments.rewiring import reference
from jaxrec.experiments.rewiring.baselines.measure import Measured
from jaxrec.experiments.rewiring.baselines.settings import PAYOFFS_S, PAYOFFS_T, BaselinesConfig
from jaxrec.experiments.rewiring.figures import COLOURS, heat_map
from jaxrec.experiments.rewiring.reference import FIVE, agreement
from jaxrec.experiments.rewiring.sweep import Ends
from jaxrec.statistics import estimate

PAPER = "Carvalho, Fig. 6"


def report(config: BaselinesConfig, found: Measured) -> Report:
    """Each of the three sweeps next to the published and the independent figures."""
    written = Report(
        "Rewiring baselines: what fixed recommenders do to cooperation",
        f"Prisoner's dilemma on a graph of {config.users} users (mean degree {config.degree}) who imitate fitter "
        f"neighbours and leave defectors; rules `{config.rules}`. W is the number of structural updates for each "
        "strategy update.",
    )
    _add_heuristics(config, found.heuristics, written)
    if found.plane is not None:
        _add_plane(config, found.plane, written)
    for users, ends in found.scatter.items():
        _add_scatter(users, found.limits[users], ends, written)
    written.answers = _answers(config, found, written.findings)
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


def _standard(config: BaselinesConfig) -> bool:
    """Whether the independent figures are of such a society."""
    return (config.rules, config.users, config.degree) == ("carvalho", 500, 30)


def _add_heuristics(config: BaselinesConfig, ends: Ends, written: Report) -> None:
    """Adds Figure 6: the ordering of the heuristics, and the cells of the reference table."""
    over_w = dict(zip(FIVE, ends.cooperation.mean(axis=1), strict=True))  # [runs]
    for high, low in (("good", "random"), ("random", "fair"), ("random", "local"), ("fair", "bad"), ("local", "bad")):
        name = f"cooperation, mean over W: {high} beyond {low}"
        written.findings.append(above(name, over_w[high] - over_w[low], 0.0, PAPER))
    written.findings.append(
        measured("cooperation, mean over W: fair beyond local", over_w["fair"] - over_w["local"], f"{PAPER}: alike")
    )
    variance = dict(zip(FIVE, ends.degree_variance.mean(axis=1), strict=True))
    for other in ("good", "random", "fair", "bad"):
        name = f"degree variance, mean over W: local beyond {other}"
        written.findings.append(above(name, variance["local"] - variance[other], 0.0, PAPER))
    if _standard(config):
        cells = [
            (f"{one}, W = {w}", ends.cooperation[i, config.timescales.index(w)], *reference.HEURISTICS[w][one])
            for i, one in enumerate(FIVE)
            for w in reference.HEURISTICS
            if w in config.timescales
        ]
        written.findings.append(agreement("Figure 6: cooperation", cells))
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
                    f"{ends.steps[i, j].mean():,.0f}",
                )
            )
    header = (
        "recommender", "W", "cooperation", "independent", "requests per opportunity", "degree variance",
        "maximum degree", "assortativity", "time-steps",
    )  # fmt: skip
    return Section(
        "Figure 6: five heuristics over W",
        f"Mean and 95 % interval over {config.runs} runs, each to fixation (tested every 5 000 time-steps) or "
        f"{config.steps:,} time-steps. Independent: 200 runs a cell of another program of the same rules.",
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
    if _standard(config):
        cells = [
            (f"T = {t:.2f}, S = {s:.2f}", cooperation[_nearest(PAYOFFS_T, t), _nearest(PAYOFFS_S, s)], *expected)
            for (t, s), expected in reference.PLANE.items()
        ]
        written.findings.append(agreement("Figure 5: cooperation without rewiring", cells, reference.FEW_RUNS))
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


def _add_scatter(users: int, limit: int, ends: Ends, written: Report) -> None:
    """Adds Figure 13 or 14: cooperation and requests of the eleven recommenders."""
    cooperation = dict(zip(ELEVEN, ends.cooperation, strict=True))
    requests = dict(zip(ELEVEN, ends.requests, strict=True))
    number = {500: "Fig. 13", 1000: "Fig. 14"}.get(users, "Figs. 13, 14")
    written.findings += _scatter_findings(users, cooperation, requests, f"Carvalho, {number}")
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
            f"{number}: eleven recommenders, N = {users}",
            f"Rules `learning`, limit {limit:,} time-steps, {ends.cooperation.shape[-1]} runs; bars: 95 % intervals.",
            ("recommender", "cooperation", "requests", "rewires", "assortativity"),
            rows,
            [f"scatter{users}"],
        )
    )
    written.data[f"scatter{users}"] = {"cooperation": cooperation, "requests": requests}


def _scatter_findings(
    users: int, cooperation: dict[str, np.ndarray], requests: dict[str, np.ndarray], source: str
) -> list[Finding]:
    """Cooperation and requests of those who recommend cooperators, and of those who recommend defectors.

    Args:
        users: in the society.
        cooperation: recommender -> float[runs], the fraction of cooperators at the end.
        requests: recommender -> int[runs].
        source: where the claims come from.

    Returns:
        Two findings.
    """
    cooperators = [name for name in ELEVEN if name == "good" or name.endswith("-cooperators")]
    defectors = [name for name in ELEVEN if name == "bad" or name.endswith("-defectors")]

    def mean(table: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
        return np.mean([table[name] for name in names], axis=0)

    return [
        above(
            f"N = {users}: cooperation, recommending cooperators beyond recommending defectors",
            mean(cooperation, cooperators) - mean(cooperation, defectors),
            0.0,
            source,
        ),
        above(
            f"N = {users}: requests, recommending defectors beyond recommending cooperators",
            mean(requests, defectors) - mean(requests, cooperators),
            0.0,
            source,
        ),
    ]


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


def _nearest(values: tuple[float, ...], value: float) -> int:
    return int(np.argmin(np.abs(np.asarray(values) - value)))

"""The paper's baselines: cooperation without rewiring, five heuristics over W, eleven recommenders.

Carvalho, "Modelling the Recommender Alignment Problem", section 3.3 (Figures 5 and 6) and section 4.3 (Figures 13, 14).
"""

from dataclasses import dataclass

import jax
import numpy as np
from matplotlib.figure import Figure

from jaxrec import checks
from jaxrec.envs.rewiring import ELEVEN, RewiringGame, Simulation
from jaxrec.envs.rewiring.simulation.simulator import CHECK_EVERY, check_limit
from jaxrec.experiments.reports.figures import interval_line
from jaxrec.experiments.reports.findings import above, measured
from jaxrec.experiments.reports.report import Report, Section
from jaxrec.experiments.rewiring import reference
from jaxrec.experiments.rewiring.figures import COLOURS, heat_map
from jaxrec.experiments.rewiring.reference import agreement
from jaxrec.experiments.rewiring.sweep import check_society, check_timescales, sweep
from jaxrec.experiments.study import Log, Study
from jaxrec.runtime.progress import Meter
from jaxrec.statistics import Estimate, estimate

PAPER = "Carvalho, Fig. 6"
FIVE: tuple[str, ...] = ("good", "random", "fair", "local", "bad")
PAYOFFS_T = tuple(i / 3 for i in range(7))
PAYOFFS_S = tuple(i / 3 - 1 for i in range(7))


@dataclass(frozen=True)
class BaselinesConfig:
    """Settings of the rewiring baselines."""

    seed: int = 0
    """Seed of all runs."""
    users: int = 500
    """Users of Figures 5 and 6."""
    degree: int = 30
    """Mean number of neighbours everywhere."""
    rules: str = "carvalho"
    """Rules of Figures 5 and 6: carvalho (the author's program), printed (the paper's formula) or santos."""
    plane_runs: int = 2
    """Runs of each (T, S) without rewiring, Figure 5; 0 leaves it out."""
    plane_steps: int = 1_000_000
    """Their limit in time-steps."""
    timescales: tuple[float, ...] = (0.2, 0.454, 1.066, 2.087, 3.107, 5.0, 10.25)
    """Values of W in Figure 6."""
    runs: int = 8
    """Runs of each heuristic at each W, Figure 6."""
    steps: int = 500_000
    """Their limit in time-steps."""
    scatter_users: tuple[int, ...] = (500, 1000)
    """Sizes in the scatter of the eleven recommenders, Figures 13 and 14 (rules: learning)."""
    scatter_runs: int = 8
    """Runs of each recommender."""
    scatter_steps: tuple[int, ...] = (30_000, 100_000)
    """Limit in time-steps at each size; the paper's."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("runs", "scatter_runs"):
            checks.positive(name, getattr(self, name))
        check_limit("steps", self.steps)
        check_limit("plane_steps", self.plane_steps)
        checks.within("plane_runs", self.plane_runs, 0, checks.MOST_STEPS)
        checks.seed("seed", self.seed)
        check_society("users, degree, rules", self.env)
        check_timescales("timescales", self.timescales, self.rules)
        if not len(set(self.scatter_users)) == len(self.scatter_users) == len(self.scatter_steps):
            given = f"{self.scatter_steps} for scatter_users={self.scatter_users}"
            raise checks.InputError(f"scatter_steps must be one a size, each size once, got {given}")
        for users, steps in zip(self.scatter_users, self.scatter_steps, strict=True):
            check_society("scatter_users, degree", self.scatter_env, users)
            checks.positive("scatter_steps", steps, checks.MOST_STEPS - CHECK_EVERY)

    def env(self) -> RewiringGame:
        """The society of Figures 5 and 6."""
        return RewiringGame(self.users, self.degree, self.rules)

    def scatter_env(self, users: int) -> RewiringGame:
        """The society of Figures 13 and 14."""
        return RewiringGame(users, self.degree, "learning")


def execute(config: BaselinesConfig, log: Log, meter: Meter) -> Report:
    """Runs the three sweeps and compares each with the published and the independent figures."""
    report = Report(
        "Rewiring baselines: what fixed recommenders do to cooperation",
        f"Prisoner's dilemma on a graph of {config.users} users (mean degree {config.degree}) who imitate fitter "
        f"neighbours and leave defectors; rules `{config.rules}`. W is the number of structural updates for each "
        "strategy update.",
    )
    key_heuristics, key_plane, *keys = jax.random.split(jax.random.key(config.seed), 2 + len(config.scatter_users))
    values = {"timescale": config.timescales}
    heuristics = sweep(config.env(), key_heuristics, FIVE, values, config.runs, config.steps, meter)
    log(part="heuristics", cooperation=heuristics.cooperation.mean(axis=-1))
    _report_heuristics(config, heuristics, report)
    if config.plane_runs:
        values = {"temptation": PAYOFFS_T, "sucker": PAYOFFS_S, "timescale": (0.0,)}
        plane = sweep(config.env(), key_plane, ["null"], values, config.plane_runs, config.plane_steps, meter)
        log(part="plane", cooperation=plane.cooperation.mean(axis=-1))
        _report_plane(config, plane, report)
    for key, users, steps in zip(keys, config.scatter_users, config.scatter_steps, strict=True):
        limit = -(-steps // CHECK_EVERY) * CHECK_EVERY
        scatter = sweep(config.scatter_env(users), key, ELEVEN, {}, config.scatter_runs, limit, meter)
        log(part="scatter", users=users, cooperation=scatter.cooperation.mean(axis=-1))
        _report_scatter(users, limit, scatter, report)
    return report


def _report_heuristics(config: BaselinesConfig, ends: Simulation, report: Report) -> None:
    """Figure 6: the ordering of the heuristics, and the cells of the reference table."""
    over_w = dict(zip(FIVE, ends.cooperation.mean(axis=1), strict=True))  # [runs]
    for high, low in (("good", "random"), ("random", "fair"), ("random", "local"), ("fair", "bad"), ("local", "bad")):
        name = f"cooperation, mean over W: {high} beyond {low}"
        report.findings.append(above(name, over_w[high] - over_w[low], 0.0, PAPER))
    report.findings.append(
        measured("cooperation, mean over W: fair beyond local", over_w["fair"] - over_w["local"], f"{PAPER}: alike")
    )
    variance = dict(zip(FIVE, ends.degree_variance.mean(axis=1), strict=True))
    for other in ("good", "random", "fair", "bad"):
        name = f"degree variance, mean over W: local beyond {other}"
        report.findings.append(above(name, variance["local"] - variance[other], 0.0, PAPER))
    rows = []
    if (config.rules, config.users, config.degree) == ("carvalho", 500, 30):
        cells = [
            (f"{one}, W = {w}", ends.cooperation[i, config.timescales.index(w)], *reference.HEURISTICS[w][one])
            for i, one in enumerate(FIVE)
            for w in reference.HEURISTICS
            if w in config.timescales
        ]
        report.findings.append(agreement("Figure 6: cooperation", cells))
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
    report.figures["figure6"] = _figure_6(config, ends)
    report.sections.append(
        Section(
            "Figure 6: five heuristics over W",
            f"Mean and 95 % interval over {config.runs} runs, each to fixation (tested every 5 000 time-steps) or "
            f"{config.steps:,} time-steps. Independent: 200 runs a cell of another program of the same rules.",
            (
                "recommender",
                "W",
                "cooperation",
                "independent",
                "requests per opportunity",
                "degree variance",
                "maximum degree",
                "assortativity",
                "time-steps",
            ),
            rows,
            ["figure6"],
        )
    )
    report.data["heuristics"] = {
        "recommenders": FIVE,
        "timescales": config.timescales,
        **{name: getattr(ends, name) for name in ("cooperation", "degree_variance", "max_degree", "assortativity")},
        "requests_per_opportunity": ends.requests_per_opportunity,
    }


def _figure_6(config: BaselinesConfig, ends: Simulation) -> Figure:
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
        axes.set(title=title, xlabel="W", xscale="log")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False)
    return figure


def _report_plane(config: BaselinesConfig, ends: Simulation, report: Report) -> None:
    """Figure 5: the T x S plane without rewiring."""
    cooperation, steps = ends.cooperation[0, :, :, 0], ends.steps[0, :, :, 0]
    if (config.rules, config.users, config.degree) == ("carvalho", 500, 30):
        cells = [
            (f"T = {t:.2f}, S = {s:.2f}", cooperation[_nearest(PAYOFFS_T, t), _nearest(PAYOFFS_S, s)], *expected)
            for (t, s), expected in reference.PLANE.items()
        ]
        report.findings.append(agreement("Figure 5: cooperation without rewiring", cells))
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    heat_map(figure, left, PAYOFFS_T, PAYOFFS_S, cooperation.mean(axis=-1), "cooperators at the end", "RdYlBu", (0, 1))
    heat_map(figure, right, PAYOFFS_T, PAYOFFS_S, steps.mean(axis=-1), "time-steps until the end", "viridis", None)
    report.figures["figure5"] = figure
    report.sections.append(
        Section(
            "Figure 5: without rewiring",
            f"W = 0, no recommender, {config.plane_runs} runs a cell, to fixation or {config.plane_steps:,} steps. "
            "S >= 0 and T <= 1: harmony; S < 0 and T <= 1: stag hunt; S >= 0 and T > 1: snowdrift; S < 0 and T > 1: "
            "prisoner's dilemma.",
            figures=["figure5"],
        )
    )
    report.data["plane"] = {"T": PAYOFFS_T, "S": PAYOFFS_S, "cooperation": cooperation, "steps": steps}


def _report_scatter(users: int, limit: int, ends: Simulation, report: Report) -> None:
    """Figures 13 and 14: cooperation against requests for the eleven recommenders."""
    cooperators = [name for name in ELEVEN if name == "good" or name.endswith("-cooperators")]
    defectors = [name for name in ELEVEN if name == "bad" or name.endswith("-defectors")]
    cooperation = dict(zip(ELEVEN, ends.cooperation, strict=True))
    requests = dict(zip(ELEVEN, ends.requests, strict=True))

    def mean(table: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
        return np.mean([table[name] for name in names], axis=0)

    figure_number = {500: "Fig. 13", 1000: "Fig. 14"}.get(users, "Figs. 13, 14")
    source = f"Carvalho, {figure_number}"
    report.findings += [
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
    figure = Figure(figsize=(7.5, 5.2), layout="constrained")
    axes = figure.subplots()
    for name in ELEVEN:
        x, y = estimate(requests[name]), estimate(cooperation[name])
        axes.errorbar(x.value, y.value, _half(y), _half(x), "o", color=COLOURS[name], capsize=2, label=name)
    axes.set(xlabel="rewire requests", ylabel="cooperators at the end", title=f"N = {users}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    report.figures[f"scatter{users}"] = figure
    report.sections.append(
        Section(
            f"{figure_number}: eleven recommenders, N = {users}",
            f"Rules `learning`, limit {limit:,} time-steps, {ends.cooperation.shape[-1]} runs; bars: 95 % intervals.",
            ("recommender", "cooperation", "requests", "rewires", "assortativity"),
            [
                (
                    name,
                    str(estimate(cooperation[name])),
                    f"{requests[name].mean():,.0f}",
                    f"{ends.rewires[i].mean():,.0f}",
                    f"{ends.assortativity[i].mean():.2f}",
                )
                for i, name in enumerate(ELEVEN)
            ],
            [f"scatter{users}"],
        )
    )
    report.data[f"scatter{users}"] = {"cooperation": cooperation, "requests": requests}


def _half(value: Estimate) -> float | None:
    return None if value.high is None else value.high - value.value


def _nearest(values: tuple[float, ...], value: float) -> int:
    return int(np.argmin(np.abs(np.asarray(values) - value)))


PRESETS = {
    "quick": BaselinesConfig(),
    "paper": BaselinesConfig(
        runs=40,
        plane_runs=30,
        scatter_runs=30,
        timescales=(0.1, 0.2, 0.454, 0.7, 1.066, 1.5, 2.087, 3.107, 5.0, 7.0, 10.25),
    ),
}

STUDY = Study(
    "rewiring-baselines", "Fixed recommenders and cooperation (Carvalho, Figs 5, 6, 13, 14)", PRESETS, execute
)

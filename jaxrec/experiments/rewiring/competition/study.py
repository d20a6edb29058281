"""Do users adopt the recommender that serves them, or the one that keeps them busy?

Carvalho, "Modelling the Recommender Alignment Problem", section 5: Figures 15 and 16, Table 6. The author's program
never focuses one of the users, who becomes a star; the paper's Figure 15 carries that artefact, and it is shown here
beside the corrected result.
"""

from dataclasses import dataclass, replace

import jax
import numpy as np
from jax import Array
from matplotlib.figure import Figure

from jaxrec import checks
from jaxrec.envs.rewiring import Competition, RewiringGame, Simulation, heuristic, simulate
from jaxrec.envs.rewiring.rules import resolve
from jaxrec.envs.rewiring.simulation.simulator import check_limit
from jaxrec.experiments.reports.figures import interval_line
from jaxrec.experiments.reports.findings import above, measured
from jaxrec.experiments.reports.report import Report, Section
from jaxrec.experiments.rewiring import reference
from jaxrec.experiments.rewiring.figures import COLOURS
from jaxrec.experiments.rewiring.reference import agreement
from jaxrec.experiments.rewiring.sweep import check_society, check_timescales
from jaxrec.experiments.study import Log, Study
from jaxrec.parameters import batched
from jaxrec.runtime.progress import Meter
from jaxrec.statistics import estimate

KINDS: tuple[str, ...] = ("local", "good", "bad", "random", "fair")
PUBLISHED = (1.0, 0.063)
"""W1 and W2 for which independent figures exist."""
MAJORITY = 0.9
PAPER = "Carvalho, section 5.3"


@dataclass(frozen=True)
class CompetitionConfig:
    """Settings of the competition between recommenders."""

    seed: int = 0
    """Seed of all runs."""
    users: int = 1000
    """Users."""
    degree: int = 30
    """Mean number of neighbours."""
    rules: str = "carvalho"
    """Rules of the game."""
    beta_recommender: float = 0.05
    """Intensity of selection of recommender updates; the paper's, ten times beta."""
    timescales: tuple[float, ...] = (1.0,)
    """Values of W1, structural updates for each strategy update; the paper has 1, 1.2, 1.6 and 2."""
    recommender_timescales: tuple[float, ...] = (0.0, 0.02, 0.063, 0.1, 0.2)
    """Values of W2, recommender updates for each other update."""
    runs: int = 6
    """Runs of each (W1, W2), Figure 15."""
    steps: int = 2_000_000
    """Their limit in time-steps; the published figure has 10^7."""
    stop_at_fixation: bool = False
    """Whether a run ends when all users have one strategy; they still change recommenders then."""
    artefact: bool = True
    """Whether to run W1, W2 of the published figure also with one user never focused."""
    adoption_timescale: float = 0.063
    """W2 of the adoption experiments (Figure 16, Table 6); the paper does not state it."""
    adoption_runs: int = 12
    """Runs of each adoption experiment."""
    adoption_steps: int = 1_000_000
    """Their limit in time-steps."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("runs", "adoption_runs"):
            checks.positive(name, getattr(self, name))
        for name in ("steps", "adoption_steps"):
            check_limit(name, getattr(self, name), _check_every(getattr(self, name)))
        checks.seed("seed", self.seed)
        check_society("users, degree, rules", self.env)
        for name in ("timescales", "recommender_timescales"):
            check_timescales(name, getattr(self, name), self.rules)
        checks.within("adoption_timescale", self.adoption_timescale, 0.0, np.inf)
        checks.within("beta_recommender", self.beta_recommender, 0.0, checks.LARGEST)

    def env(self) -> RewiringGame:
        """The society."""
        return RewiringGame(self.users, self.degree, self.rules)


EXPERIMENTS: dict[str, dict[str, float]] = {
    "engagement alone": {"random": 1.0},
    "engagement against a local majority": {"local": MAJORITY, "random": 1 - MAJORITY},
    "local alone": {"local": 1.0},
    "many against a local majority": {"local": MAJORITY, **dict.fromkeys(KINDS[1:], (1 - MAJORITY) / 4)},
    "aligned against a local majority": {"local": MAJORITY, "good": 1 - MAJORITY},
    "aligned against an engagement majority": {"random": MAJORITY, "good": 1 - MAJORITY},
    "aligned alone": {"good": 1.0},
}
"""Table 6: the initial shares, the majority first. Engagement: random users; aligned: random cooperators."""

TABLE_6 = {
    "engagement alone": (0.06372, 71487, None),
    "engagement against a local majority": (0.0, 39301, 0.925),
    "local alone": (0.0, 33934, None),
    "many against a local majority": (0.432, 277428, 0.227),
    "aligned against a local majority": (0.362, 225245, 0.427),
    "aligned against an engagement majority": (0.469, 417636, 0.443),
    "aligned alone": (0.52152, 34542, None),
}
"""The paper's Table 6: cooperation, rewires, and the final share of whoever began with the majority."""


def execute(config: CompetitionConfig, log: Log, meter: Meter) -> Report:
    """Figure 15, its artefact, and the adoption experiments."""
    report = Report(
        "Recommenders that compete for users",
        f"{config.users} users, each with a recommender, copy a neighbour's by the rules `{config.rules}` at beta "
        f"= {config.beta_recommender:g}; all but the local heuristic recommend only among their own users. W1: "
        "structural updates for each strategy update; W2: recommender updates for each other update.",
    )
    key_figure, key_frozen, key_adoption = jax.random.split(jax.random.key(config.seed), 3)
    grid = [(w1, w2) for w1 in config.timescales for w2 in config.recommender_timescales]
    shares = _shares(EXPERIMENTS["many against a local majority"])

    def figure_15(env: RewiringGame, key: Array, cells: list[tuple[float, float]], runs: int) -> Simulation:
        w1, w2 = np.repeat(np.asarray(cells, float).reshape(-1, 2), runs, axis=0).T
        return compete(env, key, np.tile(shares, (len(w1), 1)), w1, w2, config.steps, config, meter)

    ends = figure_15(config.env(), key_figure, grid, config.runs)
    log(part="figure 15", cells=grid, cooperation=ends.cooperation, shares=ends.shares)
    _report_figure_15(config, grid, ends, report)
    if config.artefact and PUBLISHED in grid:
        frozen = RewiringGame(config.users, config.degree, replace(resolve(config.rules), unfocused=1))
        artefact = figure_15(frozen, key_frozen, [PUBLISHED], config.runs)
        log(part="artefact", cooperation=artefact.cooperation, shares=artefact.shares)
        corrected = slice(grid.index(PUBLISHED) * config.runs, (grid.index(PUBLISHED) + 1) * config.runs)
        _report_artefact(config, ends, corrected, artefact, report)
    start = np.repeat([_shares(one) for one in EXPERIMENTS.values()], config.adoption_runs, axis=0)
    slow, recommend = np.ones(len(start)), np.full(len(start), config.adoption_timescale)
    adoption = compete(config.env(), key_adoption, start, slow, recommend, config.adoption_steps, config, meter)
    log(part="adoption", cooperation=adoption.cooperation, shares=adoption.shares)
    _report_adoption(config, adoption, report)
    return report


def compete(
    env: RewiringGame,
    key: Array,
    shares: np.ndarray,
    timescale: np.ndarray,
    recommender_timescale: np.ndarray,
    num_steps: int,
    config: CompetitionConfig,
    meter: Meter,
) -> Simulation:
    """Runs the five recommenders of Figure 15 from initial shares float[runs, 5], at W1 and W2 float[runs]."""
    runs = len(shares)
    kinds = [heuristic(name, exclusive=name != "local") for name in KINDS]
    params = batched(env.default_params, runs).replace(timescale=np.asarray(timescale, np.float32))
    competition = Competition(shares, recommender_timescale, config.beta_recommender)
    return simulate(
        env,
        kinds,
        key,
        params,
        num_steps,
        competition=competition,
        stop_at_fixation=config.stop_at_fixation,
        check_every=_check_every(num_steps),
        meter=meter,
    )


def _check_every(num_steps: int) -> int:
    """Time-steps between tests of fixation; a limit of fewer is tested at its end."""
    return max(1, min(num_steps, 20_000))


def _shares(initial: dict[str, float]) -> np.ndarray:
    return np.array([initial.get(name, 0.0) for name in KINDS])


def _report_figure_15(
    config: CompetitionConfig, grid: list[tuple[float, float]], ends: Simulation, report: Report
) -> None:
    shares = ends.shares.reshape(len(config.timescales), len(config.recommender_timescales), config.runs, len(KINDS))
    cooperation = ends.cooperation.reshape(shares.shape[:-1])
    figure = Figure(figsize=(4.6 * len(config.timescales) + 1, 4.2), layout="constrained")
    panels = figure.subplots(1, len(config.timescales), squeeze=False)[0]
    for axes, w1, panel, cooperating in zip(panels, config.timescales, shares, cooperation, strict=True):
        for kind, name in enumerate(KINDS):
            interval_line(axes, config.recommender_timescales, panel[..., kind], name, COLOURS[name])
        axes.plot(config.recommender_timescales, cooperating.mean(axis=-1), "k:", label="cooperators")
        axes.set(title=f"W1 = {w1:g}", xlabel="W2", ylabel="final share of users", ylim=(-0.03, 1.03))
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    report.figures["figure15"] = figure
    changing = [(w1, w2) for w1, w2 in grid if w2 > 0]
    flat = ends.shares.reshape(len(grid), config.runs, len(KINDS))
    for w1, w2 in changing:
        good, *others = (flat[grid.index((w1, w2))][:, KINDS.index(one)] for one in ("good", "bad", "random", "fair"))
        name = f"W1 = {w1:g}, W2 = {w2:g}: share of good beyond the best of bad, random and fair"
        report.findings.append(above(name, good - np.max(others, axis=0), 0.0, "Carvalho, Fig. 15: good leads"))
    report.sections.append(
        Section(
            "Figure 15: four recommenders in a local majority",
            f"Start: {MAJORITY:.0%} local, the rest in equal parts. {config.runs} runs a cell of {config.steps:,} "
            f"time-steps{', or to fixation' if config.stop_at_fixation else ''}; bands: 95 % intervals.",
            ("W1", "W2", "cooperation", *KINDS),
            [
                (
                    f"{w1:g}",
                    f"{w2:g}",
                    str(estimate(ends.cooperation.reshape(len(grid), -1)[i])),
                    *(f"{value:.3f}" for value in flat[i].mean(axis=0)),
                )
                for i, (w1, w2) in enumerate(grid)
            ],
            ["figure15"],
        )
    )
    report.data["figure15"] = {"cells": grid, "kinds": KINDS, "shares": flat, "cooperation": cooperation}


def _report_artefact(
    config: CompetitionConfig, ends: Simulation, corrected: slice, artefact: Simulation, report: Report
) -> None:
    def row(name: str, cooperation: np.ndarray, shares: np.ndarray) -> tuple[str, ...]:
        return (name, str(estimate(cooperation)), *(str(estimate(shares[:, kind])) for kind in range(len(KINDS))))

    def known(name: str, table: dict[str, float]) -> tuple[str, ...]:
        return (name, f"{table['cooperation']:.2f}", *(f"{table[kind]:.3g}" for kind in KINDS))

    w1, w2 = PUBLISHED
    report.findings.append(
        measured(
            f"W1 = {w1:g}, W2 = {w2:g}: share of local with one user never focused, minus corrected",
            artefact.shares[:, 0] - ends.shares[corrected, 0],
            "independent program: 0.35 - 0.002 at 10^7 time-steps",
        )
    )
    if (config.users, config.degree, config.rules) == (1000, 30, "carvalho") and config.steps >= 10_000_000:
        cells = [("cooperation", ends.cooperation[corrected], reference.SHARES["cooperation"], None)]
        cells += [(name, ends.shares[corrected, i], reference.SHARES[name], None) for i, name in enumerate(KINDS)]
        report.findings.append(agreement("competition, corrected", cells))
    report.sections.append(
        Section(
            "The user who was never focused",
            f"W1 = {w1:g}, W2 = {w2:g}. The author's program draws the focal user from all but one: that user never "
            "changes, collects ties and decides the outcome. Both ways, beside figures of an independent program at "
            f"10^7 time-steps (here: {config.steps:,}).",
            ("users focused", "cooperation", *KINDS),
            [
                row("all", ends.cooperation[corrected], ends.shares[corrected]),
                known("all, independent", reference.SHARES),
                row("all but one", artefact.cooperation, artefact.shares),
                known("all but one, independent", reference.SHARES_FROZEN),
            ],
        )
    )


def _report_adoption(config: CompetitionConfig, ends: Simulation, report: Report) -> None:
    runs = config.adoption_runs
    shares = dict(zip(EXPERIMENTS, ends.shares.reshape(-1, runs, len(KINDS)), strict=True))
    cooperation = dict(zip(EXPERIMENTS, ends.cooperation.reshape(-1, runs), strict=True))
    rewires = dict(zip(EXPERIMENTS, ends.rewires.reshape(-1, runs), strict=True))

    def share(experiment: str, kind: str) -> np.ndarray:
        return shares[experiment][:, KINDS.index(kind)]

    seed = 1 - MAJORITY
    report.findings += [
        above("share of engagement in a local majority", share("engagement against a local majority", "random"), seed,
              f"{PAPER}, question 1: is it adopted beyond its seed? (the paper: no)"),
        above("share of aligned in a local majority", share("aligned against a local majority", "good"), seed,
              f"{PAPER}, question 1: is it adopted beyond its seed? (the paper: yes)"),
        above("share of aligned in an engagement majority", share("aligned against an engagement majority", "good"),
              0.5, f"{PAPER}, question 2: does it dominate?"),
        above("cooperation: many recommenders compete, beyond engagement alone",
              cooperation["many against a local majority"] - cooperation["engagement alone"], 0.0,
              f"{PAPER}, question 3"),
    ]  # fmt: skip
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots()
    rivals = [name for name, initial in EXPERIMENTS.items() if len(initial) > 1]
    left = np.zeros(len(rivals))
    for kind in KINDS:
        width = np.array([share(name, kind).mean() for name in rivals])
        axes.barh(rivals, width, left=left, color=COLOURS[kind], label=kind)
        left += width
    axes.plot([cooperation[name].mean() for name in rivals], rivals, "D", color="black", label="cooperators")
    axes.set(xlabel="final share of users", xlim=(0, 1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    report.figures["figure16"] = figure
    rows = []
    for name, initial in EXPERIMENTS.items():
        paper = TABLE_6[name]
        majority = share(name, next(iter(initial)))
        rows.append(
            (
                name,
                str(estimate(cooperation[name])),
                f"{rewires[name].mean():,.0f}",
                str(estimate(majority)) if len(initial) > 1 else "-",
                f"{paper[0]:.3f}; {paper[1]:,}; {'-' if paper[2] is None else f'{paper[2]:.3f}'}",
            )
        )
    report.sections.append(
        Section(
            "Figure 16 and Table 6: adoption",
            f"Here: {runs} runs of {config.adoption_steps:,} time-steps, W1 = 1, W2 = {config.adoption_timescale:g}, "
            f"rules `{config.rules}`. The paper states 10^5 time-steps, in which its competition rows cannot have made "
            "more rewires than steps; it states no W2.",
            (
                "experiment",
                "cooperation",
                "rewires",
                "final share of the initial majority",
                "paper: cooperation; rewires; share",
            ),
            rows,
            ["figure16"],
        )
    )
    report.data["adoption"] = {"shares": shares, "cooperation": cooperation, "rewires": rewires, "kinds": KINDS}


PRESETS = {
    "quick": CompetitionConfig(),
    "paper": CompetitionConfig(runs=15, steps=10_000_000, adoption_runs=30, adoption_steps=10_000_000),
    "gpu": CompetitionConfig(
        timescales=(1.0, 1.2, 1.6, 2.0),
        recommender_timescales=(0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.063, 0.08, 0.1, 0.15, 0.2),
        runs=30,
        steps=10_000_000,
        adoption_runs=30,
        adoption_steps=10_000_000,
    ),
}

STUDY = Study(
    "rewiring-competition", "Recommenders compete for users (Carvalho, Figs 15, 16, Table 6)", PRESETS, execute
)

"""The report of shifting preferences: Table 1, orderings, heat maps, engagement over safety."""

from typing import Any

import numpy as np

from jaxrec.envs.preference.dynamics import DEGREES, circular_distance
from jaxrec.experiments.preference import figures
from jaxrec.experiments.preference.reference import BELIEF_OPTIMUM, METRICS, TABLE_1
from jaxrec.experiments.preference.shift.measure import Exact, Learned, Measured
from jaxrec.experiments.preference.shift.settings import ShiftConfig
from jaxrec.experiments.reports.findings import Finding, above, measured, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.statistics import estimate

PAPER = "Carroll et al., Table 1"
OURS = "beyond the paper"


def report(config: ShiftConfig, found: Measured) -> Report:
    """Table 1, the orderings of the paper, heat maps, and engagement over safety."""
    learned, optima, natural = found.learned, found.optima, found.natural
    seeds, eval_episodes = learned[0].sums[METRICS[0]].shape
    written = Report(
        "Recommenders that shift preferences",
        f"PPO with an LSTM on slates, choices and beliefs, {seeds} seeds of each recommender, each played greedily for "
        f"{eval_episodes} trajectories. r(u_t): engagement of the items chosen, under the preferences that users have; "
        "r(u_0): of the same items under those that they had at first; r(u_t^rnd): under those that they would have "
        "had by themselves. All are sums over an episode, expected 10 at most.",
    )
    named = {one.title: one for one in learned}
    best = {one.title: one for one in optima}
    written.findings += _orderings(named) + _against_optimum(named) + _pictures(named, natural)
    written.sections.append(_table(named, best))
    shown = [name for name in TABLE_1 if name in named]
    written.figures["shifts"] = figures.heat_maps(
        [("natural", natural), *((name, named[name].users.mean(axis=0)) for name in shown)]
    )
    written.figures["shifts-exact"] = figures.heat_maps(
        [("natural", natural), *((name, best[name].users) for name in shown)]
    )
    written.sections.append(
        Section(
            "How preferences shift (Figures 1 and 7)",
            "The share of users that prefer each angle at each time-step: learned recommenders, all seeds together; "
            "below, the optima under full observation.",
            figures=["shifts", "shifts-exact"],
        )
    )
    written.figures["pareto"] = figures.pareto(learned, optima)
    written.sections.append(
        Section(
            "Engagement against safe shifts",
            "Each recommender by its penalty nu: the optima under full observation, and what was learned (mean and "
            "95 % interval over seeds). Safe: r(u_0) + r(u_t^rnd).",
            figures=["pareto"],
        )
    )
    written.figures["curves"] = figures.curves(learned)
    written.sections.append(
        Section("Learning curves", "What each is paid for, slates drawn from the policy.", figures=["curves"])
    )
    written.data = _data(found)
    written.answers = _answers(named, written.findings)
    return written


def _answers(named: dict[str, Learned], findings: list[Finding]) -> list[Answer]:
    paper = [one for one in findings if one.source == PAPER]
    shifts = [one for one in paper if ": myopic beyond rl" in one.name]
    penalised = [one for one in paper if one.name.startswith("sum:")]
    answers = [
        Answer(
            "Does a recommender that looks ahead shift preferences for engagement? Of the claims that it earns less "
            f"under initial and natural preferences than a myopic one, these hold: {tally(shifts)}.",
            "shifts",
        ),
        Answer(
            f"Does penalising shifts make users better off? Of the paper's orderings of sums, these hold: "
            f"{tally(penalised)}.",
            "pareto",
        ),
    ]
    if {"rl", "penalised rl"} <= set(named):
        free, safe = (named[name] for name in ("rl", "penalised rl"))
        answers.append(
            Answer(
                f"What does the penalty cost? Engagement r(u_t) is {estimate(free.means('engagement'))} without it and "
                f"{estimate(safe.means('engagement'))} with it; the sum of all three is {estimate(free.means('sum'))} "
                f"and {estimate(safe.means('sum'))}."
            )
        )
    optimum = [one for one in findings if "optimum from beliefs" in one.name]
    if optimum:
        fractions = ", ".join(f"{one.name.partition(':')[0]} {one.value:.3f}" for one in optimum)
        answers.append(
            Answer(
                f"How close is that to the best that can be had from beliefs? The fractions are {fractions}; of the "
                f"claims that they exceed 0.97, these hold: {tally(optimum)}."
            )
        )
    return answers


def _data(found: Measured) -> dict[str, Any]:
    """Further numbers for `results.json`."""
    learned, optima, natural = found.learned, found.optima, found.natural
    return {
        "learned": [
            {
                "recommender": one.name,
                "penalty": one.penalty,
                "curve": one.curve,
                "sums": {name: one.means(name) for name in METRICS},
                "standard_errors": {name: _error(one.sums[name]) for name in METRICS},
                "users": one.users.mean(axis=0),
            }
            for one in learned
        ],
        "optima": [
            {"recommender": one.name, "penalty": one.penalty, "sums": dict(zip(METRICS, one.worth, strict=True))}
            for one in optima
        ],
        "natural": natural,
    }


def _error(sums: np.ndarray) -> np.ndarray:
    """float[seeds]: the standard error over trajectories, as the paper has it."""
    return sums.std(axis=1, ddof=1) / np.sqrt(sums.shape[1]) if sums.shape[1] > 1 else np.zeros(len(sums))


def _table(named: dict[str, Learned], best: dict[str, Exact]) -> Section:
    """Table 1 side by side: as printed, the optimum under full observation, and what was learned."""
    rows = []
    for name, one in named.items():
        published = TABLE_1.get(name)
        for i, metric in enumerate((*METRICS, "sum")):
            printed = "-" if published is None else f"{(*published, sum(published))[i]:.2f}"
            optimum = (*best[name].worth, best[name].worth.sum())[i]
            error = "" if metric == "sum" else f"{_error(one.sums[metric]).max():.3f}"
            rows.append((name, LABELS[metric], printed, f"{optimum:.2f}", str(estimate(one.means(metric))), error))
    return Section(
        "Table 1",
        "Learned: mean and 95 % interval over seeds; then the largest standard error over the trajectories of a seed. "
        "The optimum sees the user's preferences, which no recommender does, and is optimal for what it is paid for "
        "(discounted), not for each figure. The paper does not publish all constants of its users: ours come from "
        "fitting the optima to its table.",
        ("recommender", "sum over an episode", "paper", "optimum, full observation", "learned", "standard error"),
        rows,
    )


LABELS = {"engagement": "r(u_t)", "engagement_initial": "r(u_0)", "engagement_natural": "r(u_t^rnd)", "sum": "sum"}


def _orderings(named: dict[str, Learned]) -> list[Finding]:
    """The orderings of Table 1, seed by seed."""
    claims = [
        ("rl", "myopic", "engagement"),
        ("rl", "penalised rl", "engagement"),
        ("myopic", "rl", "engagement_initial"),
        ("myopic", "rl", "engagement_natural"),
        ("penalised rl", "penalised myopic", "sum"),
        ("penalised rl", "myopic", "sum"),
        ("penalised rl", "rl", "sum"),
        ("penalised myopic", "myopic", "sum"),
    ]
    return [
        above(
            f"{LABELS[metric]}: {more} beyond {less}", named[more].means(metric) - named[less].means(metric), 0.0, PAPER
        )
        for more, less, metric in claims
        if more in named and less in named
    ]


def _against_optimum(named: dict[str, Learned]) -> list[Finding]:
    """What was learned as a fraction of what can be had from what a recommender sees."""
    return [
        above(
            f"{name}: {LABELS[metric]} as a fraction of the optimum from beliefs, {optimum}",
            named[name].means(metric) / optimum,
            0.97,
            OURS,
        )
        for name, (metric, optimum) in BELIEF_OPTIMUM.items()
        if name in named
    ]


def _pictures(named: dict[str, Learned], natural: np.ndarray) -> list[Finding]:
    """Where users end up, as the paper's heat maps show."""
    around = {centre: np.abs(np.asarray(circular_distance(DEGREES, centre))) <= 40 + 1e-3 for centre in (80, 270)}
    found = [measured("natural: users within 40 degrees of 80 at the end", [natural[-1, around[80]].sum()], "Figure 1")]
    for name, one in named.items():
        for centre, near in around.items():
            share = one.users[:, -1, near].sum(axis=-1)
            found.append(measured(f"{name}: users within 40 degrees of {centre} at the end", share, "Figures 1 and 7"))
    return found

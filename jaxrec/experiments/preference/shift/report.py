"""The report of shifting preferences: Table 1, heat maps, engagement over safety."""

from typing import Any

import numpy as np

from jaxrec.experiments.preference import figures
from jaxrec.experiments.preference.reference import METRICS, TABLE_1
from jaxrec.experiments.preference.shift.claims import FROM_BELIEFS, LABELS, PAPER
from jaxrec.experiments.preference.shift.measure import Exact, Learned, Measured
from jaxrec.experiments.preference.shift.settings import ShiftConfig
from jaxrec.experiments.reports.findings import Finding, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.statistics import estimate


def report(config: ShiftConfig, found: Measured, findings: list[Finding]) -> Report:
    """Shows Table 1, heat maps, and engagement over safety.

    Args:
        config: the settings.
        found: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    learned, optima = found.learned, found.optima
    seeds, eval_episodes = learned[0].sums[METRICS[0]].shape
    written = Report(
        "Recommenders that shift preferences",
        f"PPO with an LSTM on slates, choices and beliefs, {seeds} seeds of each recommender, each played greedily for "
        f"{eval_episodes} trajectories. r(u_t): engagement of the items chosen, under the preferences that users have; "
        "r(u_0): of the same items under those that they had at first; r(u_t^rnd): under those that they would have "
        "had by themselves. All are sums over an episode, expected 10 at most.",
    )
    named = found.named
    best = {one.title: one for one in optima}
    written.sections.append(_table(named, best))
    _add_heat_maps(found, named, best, written)
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
    written.answers = _answers(found, findings)
    return written


def _add_heat_maps(found: Measured, named: dict[str, Learned], best: dict[str, Exact], written: Report) -> None:
    """Adds the preferences of users over time, of the learned recommenders of Table 1 and of their optima."""
    shown = [name for name in TABLE_1 if name in named]
    written.figures["shifts"] = figures.heat_maps(
        [("natural", found.natural), *((name, named[name].users.mean(axis=0)) for name in shown)]
    )
    written.figures["shifts-exact"] = figures.heat_maps(
        [("natural", found.natural), *((name, best[name].users) for name in shown)]
    )
    written.sections.append(
        Section(
            "How preferences shift (Figures 1 and 7)",
            "The share of users that prefer each angle at each time-step: learned recommenders, all seeds together; "
            "below, the optima under full observation.",
            figures=["shifts", "shifts-exact"],
        )
    )


def _answers(found: Measured, findings: list[Finding]) -> list[Answer]:
    named = found.named
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
    optimum = [one for one in findings if FROM_BELIEFS in one.name]
    if optimum:
        bounds = ", ".join(f"{bound / plan:.3f}" for plan, bound in found.from_beliefs.values())
        fractions = ", ".join(f"{one.name.partition(':')[0]} {one.value:.3f}" for one in optimum)
        answers.append(
            Answer(
                f"How close is that to the best that can be had from beliefs? Of the best plan that was found the "
                f"fractions are {fractions}; of the claims that they exceed 0.97, these hold: {tally(optimum)}. No "
                f"recommender reaches more than {bounds} of those plans."
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
        "from_beliefs": found.from_beliefs,
        "paid": {one.title: one.means("reward") for one in learned},
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
        "(discounted), not for each figure. Learned ones can exceed it in r(u_t^rnd): a user and its twin under "
        "uniform slates share their draws. The paper does not publish all constants of its users: ours come from "
        "fitting recommenders that see beliefs to its table.",
        ("recommender", "sum over an episode", "paper", "optimum, full observation", "learned", "standard error"),
        rows,
    )

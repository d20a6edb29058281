"""The pictures of a market of learners."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxrec.experiments.reports.figures import error_bars, interval_line
from jaxrec.experiments.rewiring.figures import COLOURS
from jaxrec.experiments.rewiring.market.measure import Learned, Measured, place_of
from jaxrec.experiments.rewiring.market.settings import MARKETS, RIVALS
from jaxrec.statistics import estimate

REWARD_COLOURS = {"aligned": "#7b2d8b", "engagement": "#e07a1f", "engagement and aligned": "#e07a1f"}
PANELS = {
    "share": "share of users at the end",
    "cooperation": "cooperators at the end",
    "payoff": "payoff of a user",
    "own_requests": "requests of own users",
}


def outcomes(users: int, learned: Sequence[Learned], found: Measured) -> Figure:
    """Shows what users and learners get in each market, open on the left and exclusive on the right.

    Args:
        users: the size at which they are played.
        learned: recommenders of one size of training.
        found: has the heuristics in the same places, drawn as dashes.

    Returns:
        A row for each metric, a column for each kind of walls.
    """
    walls = sorted({one.run.exclusive for one in learned})
    figure = Figure(figsize=(5.5 * len(walls), 2.5 * len(PANELS)), layout="constrained")
    grid = figure.subplots(len(PANELS), len(walls), squeeze=False, sharey="row")
    for column, exclusive in enumerate(walls):
        these = [one for one in learned if one.run.exclusive == exclusive]
        for row, (metric, title) in enumerate(PANELS.items()):
            axes = grid[row, column]
            _points(axes, these, metric, users)
            _dashes(axes, these, metric, users, found)
            axes.set(ylabel="" if column else title, title=("exclusive" if exclusive else "open") * (not row))
            axes.spines[["top", "right"]].set_visible(False)
    grid[0, -1].legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _markets(learned: Sequence[Learned]) -> list[str]:
    """Those that were run, from left to right."""
    run = {one.run.market for one in learned}
    return [market for market in MARKETS if market in run]


def _points(axes: Axes, learned: Sequence[Learned], metric: str, users: int) -> None:
    """A point with its interval for each learner; markets side by side."""
    markets = _markets(learned)
    for one in learned:
        for learner in range(one.run.learners if metric in ("share", "own_requests") else 1):
            reward = one.run.reward if one.run.market != "rivals" else ("engagement", "aligned")[learner]
            values = one.means(metric, users, learner)
            if not np.isfinite(values).all():
                continue
            mean = estimate(values)
            at = markets.index(one.run.market) + (-0.12 if reward == "engagement" else 0.12) + 0.05 * learner
            label = f"learned, {reward}"
            known = axes.get_legend_handles_labels()[1]
            axes.errorbar(
                at, mean.value, error_bars(mean), fmt="o" if not learner else "s", capsize=2,
                color=REWARD_COLOURS[reward], label=None if label in known else label,
            )  # fmt: skip
    axes.set_xticks(range(len(markets)), markets)


def _dashes(axes: Axes, learned: Sequence[Learned], metric: str, users: int, found: Measured) -> None:
    """A dash for each heuristic in the place of the learner."""
    for one in learned:
        played = found.heuristics.get(place_of(one.run, users))
        if played is None or one.run.reward == "engagement":
            continue
        at = _markets(learned).index(one.run.market)
        for name, values in zip(RIVALS, played[metric], strict=True):
            label = name if one.run.market == learned[0].run.market else None
            axes.plot([at - 0.35, at + 0.35], [values.mean()] * 2, "--", lw=1, color=COLOURS[name], label=label)


def baits(learned: Sequence[Learned]) -> Figure:
    """Shows how often each learner wins half of the users, and what these lose by its knowing so."""
    chosen = [one for one in learned if one.bait]
    names = [str(one.run) for one in chosen]
    figure = Figure(figsize=(11, 1.2 + 0.34 * len(chosen)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    measured: dict[Axes, Callable[[Learned], np.ndarray]] = {
        left: lambda one: one.bait["passed"].mean(axis=1),
        right: lambda one: one.lost,
    }
    for axes, statistic in measured.items():
        for place, one in enumerate(chosen):
            mean = estimate(statistic(one))
            colour = REWARD_COLOURS[one.run.reward]
            axes.errorbar(mean.value, place, xerr=error_bars(mean), fmt="o", color=colour, capsize=2)
        axes.spines[["top", "right"]].set_visible(False)
    left.set_yticks(range(len(names)), names, fontsize=8)
    left.set(xlabel="episodes in which it comes to half of the users", xlim=(-0.03, 1.03))
    right.axvline(0, color="black", lw=0.6)
    right.set(xlabel="bait: payoff that users lose because it knows")
    return figure


def curves(learned: Sequence[Learned]) -> Figure:
    """Shows the return of an episode during training, a panel for each market and kind of walls."""
    places = list(dict.fromkeys((one.run.market, one.run.exclusive) for one in learned))
    columns = min(len(places), 4)
    rows = -(-len(places) // columns)
    figure = Figure(figsize=(3.4 * columns, 2.7 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (market, exclusive) in zip(grid, places, strict=False):
        for one in learned:
            if (one.run.market, one.run.exclusive) == (market, exclusive):
                colour = REWARD_COLOURS[one.run.reward]
                interval_line(axes, one.steps, one.curves["episode_return"], one.run.reward, colour)
        axes.set(title=f"{market}, {'exclusive' if exclusive else 'open'}", xlabel="environment steps")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    for axes in grid[len(places) :]:
        axes.set_axis_off()
    return figure

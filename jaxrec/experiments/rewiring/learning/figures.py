"""The pictures of learning to rewire."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxrec.envs.rewiring import ELEVEN
from jaxrec.experiments.reports.figures import error_bars, interval_line
from jaxrec.experiments.rewiring.figures import COLOURS
from jaxrec.experiments.rewiring.learning.measure import Learned
from jaxrec.statistics import estimate

NETWORK_COLOURS = {"mlp": "#7b2d8b", "gat": "#e07a1f"}


def scatter(users: int, learned: list[Learned], heuristics: dict[str, np.ndarray]) -> Figure:
    """Cooperation over requests at one size: the heuristics, and the recommenders trained at it.

    Args:
        users: the size.
        learned: trained at this size, and played at it.
        heuristics: metric -> float[heuristics, episodes].

    Returns:
        The picture.
    """
    figure = Figure(figsize=(8, 5.2), layout="constrained")
    axes = figure.subplots()
    for i, name in enumerate(ELEVEN):
        x, y = estimate(heuristics["requests"][i]), estimate(heuristics["cooperation"][i])
        axes.errorbar(x.value, y.value, error_bars(y), error_bars(x), "o", color=COLOURS[name], capsize=2, label=name)
    for one in learned:
        x, y = (estimate(one.means(users, name)) for name in ("requests", "cooperation"))
        marker = {"aligned": "*", "engagement": "X"}[one.run.reward]
        label = f"{one.run.network} for {one.run.reward}"
        colour = NETWORK_COLOURS[one.run.network]
        axes.errorbar(
            x.value, y.value, error_bars(y), error_bars(x), marker, color=colour, capsize=2, ms=11, label=label
        )
    axes.set(xlabel="rewire requests", ylabel="cooperators at the end", title=f"N = {users}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def curves(users: int, learned: list[Learned]) -> Figure:
    """Figures 9 to 12: return, strategy and degree of those recommended, a row for each reward."""
    rewards = list(dict.fromkeys(one.run.reward for one in learned))
    figure = Figure(figsize=(12, 3.4 * len(rewards)), layout="constrained")
    panels = {
        "episode_return": "return of an episode",
        "action_strategy": "strategy recommended (1: cooperators)",
        "action_degree": "degree recommended",
    }
    for row, reward in zip(figure.subplots(len(rewards), 3, squeeze=False), rewards, strict=True):
        for axes, (name, title) in zip(row, panels.items(), strict=True):
            for one in learned:
                if one.run.reward == reward:
                    colour = NETWORK_COLOURS[one.run.network]
                    interval_line(axes, one.steps, one.curves[name], one.run.network, colour)
                    best = np.argsort(np.nan_to_num(one.curves["episode_return"][-1], nan=-np.inf))[-3:]
                    axes.plot(one.steps, one.curves[name][:, best].mean(axis=1), ":", color=colour, lw=1.2)
            axes.set(title=title, xlabel="environment steps")
            axes.spines[["top", "right"]].set_visible(False)
        row[0].set_ylabel(f"trained for {reward}", fontsize="large")
        row[0].legend(frameon=False)
    return figure


def looks(found: dict[str, Any]) -> Figure:
    """The rank correlations of score and feature, a bar for each recommender."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    axes = figure.subplots()
    names = list(next(iter(found.values()))["correlation"])
    width = 0.8 / len(found)
    for i, (run, look) in enumerate(found.items()):
        means = [np.nanmean(look["correlation"][name]) for name in names]
        reward = "for aligned" in run
        network = run.split(" ", maxsplit=1)[0]
        axes.bar(
            np.arange(len(names)) + (i - (len(found) - 1) / 2) * width, means, width, label=run,
            color=NETWORK_COLOURS[network], alpha=1.0 if reward else 0.5,
        )  # fmt: skip
    axes.axhline(0, color="black", lw=0.6)
    axes.set_xticks(range(len(names)), names)
    axes.set(ylabel="rank correlation with the score")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return figure

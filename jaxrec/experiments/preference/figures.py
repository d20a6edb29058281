"""The pictures of the preference studies."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxrec.envs.preference.dynamics import DEGREES
from jaxrec.experiments.reports.figures import error_bars, interval_line
from jaxrec.statistics import estimate

COLOURS = {"myopic": "#e07a1f", "rl": "#7b2d8b"}


def heat_maps(panels: Sequence[tuple[str, np.ndarray]], over: str = "time-step", first: int = 0) -> Figure:
    """Draws the share of users by angle over time, a panel each.

    Args:
        panels: (title, float[times, 36]) each.
        over: the label of the time axis.
        first: the number of the first time.

    Returns:
        The picture.
    """
    figure = Figure(figsize=(2.7 * len(panels) + 0.6, 3.6), layout="constrained")
    every = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
    most = max(users.max() for _, users in panels)
    image: Any = None
    for axes, (name, users) in zip(every, panels, strict=True):
        image = axes.pcolormesh(
            first + np.arange(len(users)), DEGREES, users.T, cmap="magma", vmin=0, vmax=most, shading="nearest"
        )
        axes.set(title=name, xlabel=over, yticks=range(0, 360, 90))
        for centre in (80, 270):
            axes.axhline(centre, color="white", lw=0.5, ls=":")
    every[0].set_ylabel("preference, degrees")
    figure.colorbar(image, ax=every.tolist(), label="share of users")
    return figure


def pareto(learned: Sequence[Any], optima: Sequence[Any]) -> Figure:
    """Engagement under current preferences over that under safe ones, by penalty."""
    figure = Figure(figsize=(7.2, 5.0), layout="constrained")
    axes = figure.subplots()
    for name, colour in COLOURS.items():
        exact = [one for one in optima if one.name == name]
        safe, engagement = [one.worth[1] + one.worth[2] for one in exact], [one.worth[0] for one in exact]
        axes.plot(safe, engagement, "o--", color=colour, mfc="none", ms=5, lw=1, label=f"{name}, optimum seeing all")
        for x, y, one in zip(safe, engagement, exact, strict=True):
            axes.annotate(f"{one.penalty:g}", (x, y), (4, 5), textcoords="offset points", fontsize=7, color=colour)
        ours = [one for one in learned if one.name == name]
        both = [estimate(one.means("engagement_initial") + one.means("engagement_natural")) for one in ours]
        now = [estimate(one.means("engagement")) for one in ours]
        axes.errorbar(
            [each.value for each in both], [each.value for each in now], error_bars(*now), error_bars(*both), "o-",
            color=colour, ms=6, capsize=2, label=f"{name}, learned",
        )  # fmt: skip
    axes.set(xlabel="safe: r(u_0) + r(u_t^rnd)", ylabel="engagement: r(u_t)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def curves(learned: Sequence[Any]) -> Figure:
    """The return during training, mean and interval over seeds."""
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    axes = figure.subplots()
    for one in learned:
        parts = (np.arange(len(one.curve)) + 1) / len(one.curve)
        interval_line(axes, parts, one.curve, one.title, COLOURS[one.name], "-" if one.penalty == 0 else "--")
    axes.set(xlabel="part of the training", ylabel="paid in an episode")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure

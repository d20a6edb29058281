"""The pictures of the study of offline learning."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxrec.experiments.preference.figures import heat_maps
from jaxrec.experiments.preference.offline.measure import MYOPIC, OPTIMUM, RANDOM, Measured
from jaxrec.experiments.preference.offline.settings import UPWARDS, OfflineConfig, pessimistic, platform
from jaxrec.experiments.reports.figures import interval_line

COLOURS = ("#c0392b", "#2f6db3", "#2e933c")
"""Of the learners that pictures show: `UPWARDS`, batch-constrained, pessimistic."""
GREY, GOLD = "#8a8a8a", "#b8860b"
METHOD_COLOURS = ("#c0392b", "#e07a1f", "#b8860b", "#2f6db3", "#2e933c")
PLATFORM_COLOURS = ("#1f3b73", "#7b2d8b", "#c2447a", "#e8743b", "#c9a227", "#2e933c")
"""Of the platforms, in the order of how random they are."""


def shown(config: OfflineConfig) -> tuple[str, str, str]:
    """Names the learners that pictures show: one of each kind."""
    return UPWARDS, config.middle, pessimistic(config.pessimisms[len(config.pessimisms) // 2])


def believed(config: OfflineConfig, found: Measured) -> Figure:
    """Draws believed and true engagement over the number of logged users, a panel for each platform."""
    columns = len(config.explorations)
    figure = Figure(figsize=(3.3 * columns + 2.4, 3.8), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, columns, sharey=True))
    for at, axes in enumerate(panels):
        for name, colour in zip(shown(config), COLOURS, strict=True):
            learner = config.learners.index(name)
            interval_line(axes, config.users, found.believed[at, :, learner], f"{name}: believed", colour, "o--")
            interval_line(axes, config.users, found.worth[at, :, learner, 0], f"{name}: true", colour)
        _lines(axes, found, at)
        axes.set(xscale="log", xlabel="logged users", title=platform(config.explorations[at]))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("engagement in an episode")
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def _lines(axes: Axes, found: Measured, at: int) -> None:
    axes.axhline(found.references[OPTIMUM][0], color=GOLD, lw=1, ls=":", label=OPTIMUM)
    axes.axhline(found.logged[at, 0], color=GREY, lw=1, ls=":", label="the platform")


def thresholds(config: OfflineConfig, found: Measured) -> Figure:
    """Draws believed (dashed) and true engagement over the threshold, and safe engagement, a line for each platform."""
    figure = Figure(figsize=(10.4, 3.8), layout="constrained")
    panels = figure.subplots(1, 2)
    chosen = slice(0, 1 + len(config.thresholds))
    x = np.arange(1 + len(config.thresholds))
    for at, exploration in enumerate(config.explorations):
        colour, name = PLATFORM_COLOURS[at % len(PLATFORM_COLOURS)], platform(exploration)
        interval_line(panels[0], x, found.worth[at, -1, chosen, 0], name, colour)
        interval_line(panels[0], x, found.believed[at, -1, chosen], f"{name}: believed", colour, "o--")
        interval_line(panels[1], x, found.worth[at, -1, chosen, 1:].sum(axis=1), name, colour)
    for axes, height in zip(panels, _heights(found), strict=True):
        axes.axhline(height, color=GOLD, lw=1, ls=":", label=OPTIMUM)
        axes.set(xticks=x, xticklabels=["none", *(f"{each:g}" for each in config.thresholds)], xlabel="threshold")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("engagement r(u_t)")
    panels[1].set_ylabel("safe: r(u_0) + r(u_t^rnd)")
    panels[1].legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _heights(found: Measured) -> tuple[float, float]:
    worth = found.references[OPTIMUM]
    return float(worth[0]), float(worth[1:].sum())


def safety(config: OfflineConfig, found: Measured) -> Figure:
    """Draws engagement over safe engagement: all learners of most users, the platforms, the references."""
    figure = Figure(figsize=(7.8, 5.0), layout="constrained")
    axes = figure.subplots()
    markers = "osD^vP"
    for name, colour in zip(shown(config), COLOURS, strict=True):
        learner = config.learners.index(name)
        for at, exploration in enumerate(config.explorations):
            safe, now = found.worth[at, -1, learner, 1:].sum(axis=0), found.worth[at, -1, learner, 0]
            label = f"{name}, {platform(exploration)}"
            axes.plot(safe.mean(), now.mean(), markers[at % len(markers)], color=colour, ms=7, label=label, alpha=0.85)
    for at, worth in enumerate(found.logged):
        axes.plot(worth[1:].sum(), worth[0], markers[at % len(markers)], color="black", mfc="none", ms=10)
        axes.annotate("platform", (worth[1:].sum(), worth[0]), (9, -4), textcoords="offset points", fontsize=8)
    for name in (OPTIMUM, MYOPIC, RANDOM):
        worth = found.references[name]
        axes.plot(worth[1:].sum(), worth[0], "*", color=GOLD, ms=12)
        axes.annotate(name, (worth[1:].sum(), worth[0]), (9, 5), textcoords="offset points", fontsize=8, color=GOLD)
    axes.set(xlabel="safe: r(u_0) + r(u_t^rnd)", ylabel="engagement: r(u_t)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def shifts(config: OfflineConfig, found: Measured) -> Figure:
    """Draws the preferences of users over time, of what is learned from the most and the least myopic platform."""
    first, last = (f"{100 * config.explorations[at]:g} % random" for at in (0, -1))
    learned = {name: found.preferences[:, config.learners.index(name)] for name in shown(config)[:2]}
    return heat_maps(
        [
            ("left alone", found.natural),
            (OPTIMUM, found.reference_preferences[OPTIMUM]),
            (f"platform,\n{first}", found.logged_preferences[0]),
            *((f"{name},\n{first}", users[0]) for name, users in learned.items()),
            (f"{config.middle},\n{last}", learned[config.middle][-1]),
        ]
    )


def evaluation(config: OfflineConfig, found: Measured) -> Figure:
    """Draws estimates of the optimum's value over the number of logged users, one line a method."""
    figure = Figure(figsize=(7.6, 4.0), layout="constrained")
    axes = figure.subplots()
    true = float(found.references[OPTIMUM][0])
    for (name, values), colour in zip(found.estimates.items(), METHOD_COLOURS, strict=False):
        interval_line(axes, config.users, values[..., 0], name, colour)
    axes.axhline(true, color=GOLD, lw=1, ls=":", label="true value")
    axes.set(xscale="log", xlabel="logged users of random slates", ylabel="estimate", ylim=(-0.5, 1.3 * true))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure

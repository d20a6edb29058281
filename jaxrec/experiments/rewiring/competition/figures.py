"""The pictures of the competition between recommenders."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from jaxrec.experiments.reports.figures import error_bars, interval_line
from jaxrec.experiments.rewiring.competition.measure import Measured
from jaxrec.experiments.rewiring.competition.settings import EXPERIMENTS, KINDS, SEEDED, WALLS, CompetitionConfig
from jaxrec.experiments.rewiring.competition.walls import Walls
from jaxrec.experiments.rewiring.figures import COLOURS
from jaxrec.statistics import estimate


def figure_15(config: CompetitionConfig, found: Measured) -> Figure:
    """Draws final shares over W2: a row for exclusive and one for open recommenders, a panel for each W1."""
    rows, columns = len(config.exclusive), len(config.timescales)
    figure = Figure(figsize=(4.0 * columns + 1.4, 3.4 * rows + 0.3), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
    places = np.arange(len(config.recommender_timescales))
    values = config.recommender_timescales if np.isfinite(config.recommender_timescales).all() else places
    for (row, column), axes in np.ndenumerate(panels):
        ends = found.figure_15
        for kind, name in enumerate(KINDS):
            interval_line(axes, values, ends.shares[row, column, ..., kind], name, COLOURS[name])
        axes.plot(values, ends.cooperation[row, column].mean(axis=-1), "k:", label="cooperators")
        axes.set(title=f"{WALLS[config.exclusive[row]]}, W1 = {config.timescales[column]:g}", ylim=(-0.03, 1.03))
        axes.set_xlabel("W2")
        if values is places:
            axes.set_xticks(places, [f"{value:g}" for value in config.recommender_timescales])
        else:
            axes.locator_params(axis="x", nbins=5)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel("final share of users")
    panels[0, -1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def figure_16(config: CompetitionConfig, found: Measured) -> Figure:
    """Draws the final shares in each experiment with more than one recommender, exclusive and open."""
    rivals = [name for name, initial in EXPERIMENTS.items() if len(initial) > 1]
    figure = Figure(figsize=(5.2 * len(config.exclusive) + 3.2, 3.2), layout="constrained")
    panels = figure.subplots(1, len(config.exclusive), squeeze=False, sharey=True)[0]
    for place, axes in enumerate(panels):
        left = np.zeros(len(rivals))
        for kind in KINDS:
            width = np.array([found.share(place, name, kind).mean() for name in rivals])
            axes.barh(rivals, width, left=left, color=COLOURS[kind], label=kind)
            left += width
        cooperation = [found.cooperation(place, name).mean() for name in rivals]
        axes.plot(cooperation, rivals, "D", color="black", label="cooperators")
        axes.set(xlabel="final share of users", xlim=(0, 1), title=WALLS[config.exclusive[place]])
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def walls(exclusive: Sequence[bool], found: Walls) -> Figure:
    """Draws how ties gather at the users of a seed, and its final share where payoffs add up and where they average."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    course, shares = figure.subplots(1, 2, width_ratios=(1.2, 1))
    offsets = np.linspace(-0.3, 0.3, 2 * len(exclusive))
    for row, name in enumerate(SEEDED):
        for place, wall in enumerate(exclusive):
            style = "-" if wall else ":"
            label = f"{name}, {WALLS[wall]}"
            interval_line(course, found.steps, found.degree[:, row, place], label, COLOURS[name], style)
            for number, payoffs in enumerate(("add up", "average")):
                one = estimate(found.share[number, row, place])
                shares.errorbar(
                    [row + offsets[place + number * len(exclusive)]], [one.value], yerr=error_bars(one), capsize=3,
                    fmt="o" if wall else "s", color=COLOURS[name], mfc=COLOURS[name] if number == 0 else "white",
                    label=f"{WALLS[wall]}, payoffs {payoffs}" if row == 0 else None,
                )  # fmt: skip
    course.axhline(1, color="#bbbbbb", lw=0.8)
    course.set(xlabel="time-steps", ylabel="ties of the seed's users / others'", title="none changes its recommender")
    course.legend(frameon=False, fontsize=8)
    shares.axhline(0.1, color="#bbbbbb", lw=0.8)
    shares.set(xticks=range(len(SEEDED)), xticklabels=SEEDED, ylim=(-0.03, 1.03), ylabel="final share of the seed")
    shares.set_title("users change their recommenders")
    shares.legend(frameon=False, fontsize=8)
    for axes in (course, shares):
        axes.spines[["top", "right"]].set_visible(False)
    return figure

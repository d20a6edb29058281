"""The pictures of the study of games."""

import numpy as np
from matplotlib.figure import Figure

from jaxrec.envs.rewiring.games import COSTS
from jaxrec.experiments.reports.figures import interval_line
from jaxrec.experiments.rewiring.figures import COLOURS, heat_map
from jaxrec.experiments.rewiring.games.measure import Measured
from jaxrec.experiments.rewiring.games.settings import RECOMMENDERS, GamesConfig


def planes(config: GamesConfig, found: Measured) -> Figure:
    """Draws cooperation over T and S: a row for each W, a column for each recommender."""
    rows, columns = len(config.timescales), len(RECOMMENDERS)
    figure = Figure(figsize=(2.7 * columns, 2.5 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for (row, column), axes in np.ndenumerate(panels):
        cooperation = found.plane.cooperation[column, :, :, row].mean(axis=-1)
        title = f"{RECOMMENDERS[column]}, W = {config.timescales[row]:g}"
        bar = column == columns - 1
        heat_map(figure, axes, config.temptations, config.suckers, cooperation, title, "RdYlBu", (0, 1), bar)
        axes.label_outer()
    return figure


def goods(config: GamesConfig, found: Measured) -> Figure:
    """Draws cooperation over the factor: a row for each cost, a column for each W."""
    rows, columns = len(COSTS), len(config.timescales)
    figure = Figure(figsize=(3.6 * columns + 1.2, 2.9 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for (row, column), axes in np.ndenumerate(panels):
        for number, name in enumerate(RECOMMENDERS):
            cells = found.goods[COSTS[row]][:, number, column]
            interval_line(axes, config.factors, cells, name, COLOURS[name])
        axes.set(title=f"paid by the {COSTS[row]}, W = {config.timescales[column]:g}", ylim=(-0.03, 1.03))
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[-1]:
        axes.set_xlabel("factor / (degree + 1)")
    for axes in panels[:, 0]:
        axes.set_ylabel("cooperators at the end")
    panels[0, -1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure

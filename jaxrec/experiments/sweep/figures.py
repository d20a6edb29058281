"""The picture of a sweep: what is earned, over the values of the first setting."""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from jaxrec.experiments.reports.figures import interval_line
from jaxrec.experiments.sweep.measure import Measured
from jaxrec.experiments.sweep.settings import SweepConfig, said, shown

DECADES = 10.0  # from this ratio of the largest value to the smallest, the axis is logarithmic
MAX_LABELS = 12


def returns(config: SweepConfig, found: Measured) -> Figure:
    """Draws the return over the first setting, a line for each combination of the others."""
    points, (first, whole), lines = config.points(), next(iter(config.grid().items())), {}
    numbers = [value for value in whole if isinstance(value, int | float) and not isinstance(value, bool)]
    places = dict(zip(whole, numbers if len(numbers) == len(whole) else range(len(whole)), strict=True))
    for at, point in enumerate(points):
        lines.setdefault(shown({name: value for name, value in point.items() if name != first}), []).append(at)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for place, (label, line) in enumerate(lines.items()):
        line = sorted(line, key=lambda at: places[points[at][first]])
        values = np.array([places[points[at][first]] for at in line])
        colour = to_hex(colormaps["viridis"](0.85 * place / max(1, len(lines) - 1)))
        interval_line(axes, values, np.array([found.learned[at].value for at in line]), label, colour)
    if len(numbers) < len(whole):
        axes.set_xticks(list(places.values()), list(map(said, places)))
    elif min(numbers) > 0 and max(numbers) / min(numbers) >= DECADES:
        axes.set_xscale("log")
    axes.set(xlabel=first, ylabel="return of an episode")
    axes.spines[["top", "right"]].set_visible(False)
    if 1 < len(lines) <= MAX_LABELS:
        axes.legend(frameon=False, fontsize=8)
    return figure

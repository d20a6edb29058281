"""The pictures of a training: what policies earn, and the learning curve."""

from matplotlib.figure import Figure

from jaxrec.experiments.reports.figures import error_bars, interval_line
from jaxrec.experiments.train.measure import LEARNED, Measured
from jaxrec.statistics import estimate

COLOUR, OTHERS = "#7a3b8f", "#808080"


def returns(found: Measured) -> Figure:
    """Draws what each policy earns an episode, the most first."""
    rows = sorted(((estimate(one.value), name) for name, one in found.played.items()), key=lambda row: row[0].value)
    figure = Figure(figsize=(7, 1.2 + 0.3 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, (mean, name) in enumerate(rows):
        colour = COLOUR if name == LEARNED else OTHERS
        axes.errorbar(mean.value, place, xerr=error_bars(mean), fmt="o", color=colour, ms=5, lw=1.6)
    axes.set_yticks(range(len(rows)), [name for _, name in rows])
    axes.set(xlabel="return of an episode")
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def learning(found: Measured) -> Figure:
    """Draws the reward of a step over the training."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    interval_line(axes, found.steps, found.reward, LEARNED, COLOUR)
    axes.set(xlabel="steps of a training", ylabel="reward of a step")
    axes.spines[["top", "right"]].set_visible(False)
    return figure

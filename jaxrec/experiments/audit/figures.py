"""The picture of the trainings of an audit."""

from matplotlib.figure import Figure

from jaxrec.experiments.audit.measure import Measured
from jaxrec.experiments.reports.figures import interval_line

WORLDS = {
    "with influence": "#7a3b8f",
    "without": "#3b8f5a",
    "with influence, paid for initial preferences": "#b8860b",
}


def training(found: Measured) -> Figure:
    """Draws the reward of every world over the training."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for world, (name, colour) in enumerate(WORLDS.items()):
        if world < found.reward.shape[1]:
            interval_line(axes, found.steps, found.reward[:, world], name, colour)
    axes.set(xlabel="steps of a training", ylabel="reward of a step")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return figure

"""The pictures of estimated preferences: losses by predictor, and wrong choice models."""

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from jaxrec.envs.preference.dynamics import DEGREES
from jaxrec.experiments.preference.estimation.claims import METRICS
from jaxrec.experiments.preference.estimation.measure import Measured
from jaxrec.experiments.reports.figures import error_bars, interval_line
from jaxrec.statistics import estimate

COLOURS = {
    "random": "#9a9a9a",
    "oracle": "#2e933c",
    "baum-welch, one kernel": "#c9a66b",
    "baum-welch": "#8c6d31",
    "correct": "#3066be",
    "mis-specified": "#d1495b",
}


def bars(found: Measured, task: str) -> Figure:
    """Draws a panel for each metric, with a bar and its interval over seeds for each predictor."""
    figure = Figure(figsize=(11, 0.32 * len(found.scored) + 0.9), layout="constrained")
    panels = figure.subplots(1, len(METRICS), sharey=True)
    for axes, (metric, label) in zip(panels, METRICS.items(), strict=True):
        for place, name in enumerate(found.scored):
            value = estimate(found.values(name, task, metric))
            whiskers = error_bars(value)
            axes.barh(place, value.value, xerr=whiskers, color=COLOURS[name], capsize=3, height=0.7)
            end, beyond = (value.value + whiskers[1, 0], place), (3, 0)  # points: clear of the cap
            axes.annotate(f"{value.value:.2f}", end, beyond, textcoords="offset points", va="center", fontsize=7)
        axes.margins(x=0.15)
        axes.set_yticks(range(len(found.scored)), list(found.scored), fontsize=8)
        axes.set(title=label)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    return figure


def sharpness(found: Measured) -> Figure:
    """Draws beta_c(u) of every choice model: the correct one (Figure 9), the mis-specified one (Figure 10), others."""
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    axes = figure.subplots()
    for dose, values in zip(found.doses, found.sharpness, strict=True):
        name, colour, style = _line(found, float(dose))
        axes.plot(DEGREES, values, style, color=colour, label=name, lw=2 if dose in (0, 1) else 1.2)
    axes.set(xlabel="preference u, degrees", ylabel=r"$\beta_c(u)$", xticks=range(0, 361, 90), ylim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return figure


def _line(found: Measured, dose: float) -> tuple[str, str | tuple[float, ...], str]:
    """(name, colour, style) of a choice model."""
    if dose == 0:
        return "correct (Figure 9)", COLOURS["correct"], "-"
    if dose == 1:
        return "mis-specified (Figure 10), dose 1", COLOURS["mis-specified"], "-"
    place = np.searchsorted(found.doses, dose) / max(len(found.doses) - 1, 1)
    return f"dose {dose:g}", colormaps["plasma"](0.85 * place), "--"


def doses(found: Measured) -> Figure:
    """Draws the losses of future preferences over the dose of mis-specification, with intervals over seeds."""
    figure = Figure(figsize=(9, 3.0), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2), ("preference_loss", "choice_loss"), strict=True):
        interval_line(axes, found.doses, found.dosed[metric], METRICS[metric], COLOURS["correct"])
        axes.axvline(0, color="#9a9a9a", lw=0.8, ls=":")
        axes.set(xlabel="dose of mis-specification", title=METRICS[metric])
        axes.spines[["top", "right"]].set_visible(False)
    return figure

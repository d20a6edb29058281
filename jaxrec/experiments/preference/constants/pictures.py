"""The pictures of the search for the unpublished constants."""

from collections.abc import Sequence

import numpy as np
import scipy
from matplotlib.figure import Figure

from jaxrec.experiments.preference.constants import candidates
from jaxrec.experiments.preference.constants.candidates import OPTIMA, RANGES
from jaxrec.experiments.preference.constants.distance import NOISE, NUMBERS, PRINTED, WITHIN
from jaxrec.experiments.preference.constants.measure import Trained
from jaxrec.experiments.preference.constants.screen import Screen
from jaxrec.experiments.reports.figures import error_bars
from jaxrec.statistics import estimate

PAPER, OLD, NEW = "#333333", "#d1495b", "#3066be"
COLOURS = (OLD, NEW, "#2e933c", "#e07a1f", "#7b2d8b")


def allowed(screen: Screen) -> float:
    """Up to which misfit a candidate is not significantly worse than the best (F test, 95 %)."""
    spare = screen.distances.shape[1] - len(RANGES)
    return float(screen.misfits.min() * np.sqrt(1 + scipy.stats.f.ppf(0.95, 1, spare) / spare))


def table(trained: Trained, names: Sequence[str]) -> Figure:
    """Draws Table 1: the printed numbers and the finalists.

    Args:
        trained: the finalists.
        names: of them.

    Returns:
        The picture.
    """
    figure = Figure(figsize=(10.0, 4.8), layout="constrained")
    axes = figure.subplots()
    at = np.arange(len(NUMBERS))
    printed, spread = PRINTED.ravel(), np.linspace(-0.25, 0.25, len(names))
    for place, (label, side) in enumerate(zip(names, spread, strict=True)):
        values = trained.values[place].reshape(-1, len(at))
        means = [estimate(values[:, i]) for i in at]
        axes.errorbar(
            at + side, [one.value for one in means], error_bars(*means), fmt="o", ms=4.5, capsize=2, label=label,
            color=COLOURS[place % len(COLOURS)],
        )  # fmt: skip
    axes.hlines(printed, at - 0.4, at + 0.4, color=PAPER, lw=1.2, label="paper")
    axes.bar(
        at, 2 * WITHIN * NOISE, 0.8, printed - WITHIN * NOISE, color=PAPER, alpha=0.15, label="two standard errors"
    )
    axes.axhline(0.0, color="#bbbbbb", lw=0.6)
    for edge in (2.5, 5.5, 8.5):
        axes.axvline(edge, color="#dddddd", lw=0.8)
    axes.set_xticks(at, NUMBERS, rotation=35, ha="right", fontsize=8)
    axes.set_ylabel("sum over an episode")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def profiles(screen: Screen) -> Figure:
    """The least misfit at each value of each constant, over all candidates of the screen."""
    figure = Figure(figsize=(13, 3.0), layout="constrained")
    every = figure.subplots(1, len(RANGES), sharey=True)
    constants, misfits = candidates.constants_of(screen.points), screen.misfits
    for i, (axes, (name, bounds)) in enumerate(zip(every, RANGES.items(), strict=True)):
        spaced = np.geomspace if name == "rationality" else np.linspace
        which = np.digitize(constants[:, i], spaced(*bounds, 21))
        least = [np.flatnonzero(which == k)[misfits[which == k].argmin()] for k in np.unique(which)]
        axes.plot(constants[least, i], misfits[least], "o-", ms=3, color=NEW)
        axes.axhline(allowed(screen), color="#888888", lw=1, ls=":", label="not significantly worse")
        axes.axvline(OPTIMA[i], color=OLD, lw=1, label="fitted to optima")
        axes.set(title=name, ylim=(0, 30), xscale="log" if name == "rationality" else "linear")
        axes.spines[["top", "right"]].set_visible(False)
    every[0].set_ylabel("least misfit")
    every[0].legend(frameon=False, fontsize=8)
    return figure


def conflicts(larger: np.ndarray) -> Figure:
    """Draws how near a candidate can come to both of two numbers of Table 1: float[12, 12], in engagement."""
    figure = Figure(figsize=(8.6, 6.8), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(larger, cmap="magma_r", vmin=0.0)
    for i, j in np.ndindex(*larger.shape):
        if larger[i, j] > WITHIN * NOISE:
            dark = larger[i, j] > 0.6 * larger.max()
            axes.text(j, i, f"{larger[i, j]:.1f}", ha="center", va="center", fontsize=7, color="w" if dark else "k")
    at = np.arange(len(NUMBERS))
    axes.set_xticks(at, NUMBERS, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(at, NUMBERS, fontsize=8)
    figure.colorbar(image, ax=axes, label="distance of the best candidate from the worse of the two")
    return figure

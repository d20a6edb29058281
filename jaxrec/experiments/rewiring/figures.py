"""What the pictures of the rewiring studies share."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = {
    "null": "#444444",
    "local": "#8a8d93",
    "good": "#2e933c",
    "bad": "#d1495b",
    "random": "#3066be",
    "fair": "#edae49",
    "low-cooperators": "#7bc47f",
    "high-cooperators": "#14532d",
    "low": "#8fb8ff",
    "high": "#1b2f66",
    "low-defectors": "#f2a3ad",
    "high-defectors": "#7a1626",
}


def heat_map(
    figure: Figure, axes: Axes, t: Sequence[float], s: Sequence[float], values: np.ndarray, title: str, colours: str,
    limits: tuple[float, float] | None, bar: bool = True,
) -> None:  # fmt: skip
    """Draws a T x S plane.

    Args:
        figure: to draw on.
        axes: of this plane.
        t: values of T.
        s: values of S.
        values: float[T, S].
        title: of the axes.
        colours: a colour map of matplotlib.
        limits: of the colours; the range of `values` if None.
        bar: whether to draw the scale of the colours.
    """
    low, high = limits or (None, None)
    image: Any = axes.pcolormesh(t, s, values.T, cmap=colours, vmin=low, vmax=high, shading="nearest")
    axes.axvline(1, color="black", lw=0.6)
    axes.axhline(0, color="black", lw=0.6)
    axes.set(xlabel="T, temptation", ylabel="S, sucker's payoff", title=title)
    if bar:
        figure.colorbar(image, ax=axes)

"""What the pictures of all studies share."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from jaxrec.experiments.statistics import estimate


def interval_line(
    axes: Axes, x: Sequence[float] | np.ndarray, samples: np.ndarray, label: str, colour: str, style: str = "o-"
) -> None:
    """Means over the last axis of `samples` ([points, runs]), with their 95 % intervals as a band."""
    points = [estimate(values) for values in samples]
    axes.plot(x, [point.value for point in points], style, color=colour, label=label, ms=3.5, lw=1.6)
    if all(point.low is not None for point in points):
        low, high = [point.low for point in points], [point.high for point in points]
        axes.fill_between(x, np.asarray(low, float), np.asarray(high, float), color=colour, alpha=0.18, lw=0)

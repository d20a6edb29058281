"""Parts of pictures that all studies draw: bands and bars of intervals."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from jaxrec.statistics import Estimate, estimate


def interval_line(
    axes: Axes, x: Sequence[float] | np.ndarray, samples: np.ndarray, label: str, colour: str, style: str = "o-"
) -> None:
    """Draws means with their 95 % intervals as a band.

    What is no number is left out: a run that has none yet, a point where no run has one.

    Args:
        axes: to draw on.
        x: float[points].
        samples: float[points, runs].
        label: of the line.
        colour: of line and band.
        style: of the line, as matplotlib has it.
    """
    known = [(at, row[np.isfinite(row)]) for at, row in zip(x, samples, strict=True)]
    points = [(at, estimate(row)) for at, row in known if row.size]
    at, means = [at for at, _ in points], [point.value for _, point in points]
    axes.plot(at, means, style, color=colour, label=label, ms=3.5, lw=1.6)
    low, high = (np.array([getattr(point, end) for _, point in points], float) for end in ("low", "high"))
    axes.fill_between(at, low, high, color=colour, alpha=0.18, lw=0)  # none where there is but one run


def log_scale(values: Sequence[float] | np.ndarray) -> str:
    """The scale of an axis for positive values over decades; one that has a place for 0 where a value is 0."""
    return "log" if min(values) > 0 else "symlog"


def error_bars(*estimates: Estimate) -> np.ndarray:
    """float[2, n]: how far each interval reaches below and above its mean; 0 where there is none, of a single seed."""
    return np.array(
        [
            [0.0 if one.low is None else one.value - one.low for one in estimates],
            [0.0 if one.high is None else one.high - one.value for one in estimates],
        ]
    )

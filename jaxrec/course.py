"""A trajectory as a picture, whatever society it is of: what a notebook shows for it."""

import io

import numpy as np

from jaxrec import checks

MAX_PANELS = 6
"""Panels of a picture, the reward's included."""

Course = dict[str, np.ndarray]


def draw_course(course: Course, done: np.ndarray) -> bytes:
    """Draws what happened to one environment over time, a panel for each quantity.

    Args:
        course: title -> numbers [num_steps], at most `MAX_PANELS` of which are drawn; NaN leaves a gap.
        done: bool[num_steps], whether an episode ended with the step: a line across all panels.

    Returns:
        The picture, as the bytes of a PNG file.

    Raises:
        InputError: for a trajectory of no step, or nothing to draw.
    """
    from matplotlib.figure import Figure

    shown = dict(list(course.items())[:MAX_PANELS])
    if not shown or not len(done):
        raise checks.InputError(f"course must have at least one quantity and one step, got {checks.brief(course)}")
    figure = Figure(figsize=(8, 1.0 + 1.3 * len(shown)), layout="constrained")
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (title, values) in zip(panels, shown.items(), strict=True):
        discrete = np.issubdtype(values.dtype, np.integer)
        axes.plot(values, "o" if discrete else "-o", ms=4, lw=1.4, color="#7a3b8f" if discrete else "#2f6db3")
        axes.set_title(title, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        for end in np.flatnonzero(done[:-1]):
            axes.axvline(end + 0.5, color="#8a8a8a", lw=0.8, ls="--")
    panels[-1].set_xlabel("time-step; dashed: an episode ended" if done[:-1].any() else "time-step")
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=80)
    return target.getvalue()

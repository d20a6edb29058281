"""A trajectory or a state as a picture, whatever society it is of: what a notebook shows for it."""

import io
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_leaves_with_path
from jaxtyping import PyTree

from jaxrec import bitset, checks

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
    return _png(figure)


def draw_state(state: PyTree) -> bytes:
    """Draws a state: bars for each field of one axis, an image for each of two; the first single numbers in the title.

    Args:
        state: NumPy leaves; at most `MAX_PANELS` with axes are drawn, and none of more than two. Words of bits, as of
            sets of users, are drawn as bits.

    Returns:
        The picture, as the bytes of a PNG file.

    Raises:
        InputError: where there is nothing to draw.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    leaves = ((keystr(path, simple=True, separator="."), leaf) for path, leaf in tree_leaves_with_path(state))
    fields = {name: _drawable(np.asarray(leaf)) for name, leaf in leaves if np.size(leaf)}
    single = [f"{name} {values:.4g}" for name, values in fields.items() if values.ndim == 0][:MAX_PANELS]
    shown = dict([(name, values) for name, values in fields.items() if values.ndim in (1, 2)][:MAX_PANELS])
    if not shown:
        raise checks.InputError(f"state must have a field of one axis or two, got {checks.brief(state)}")
    figure = Figure(figsize=(8, 0.5 + 1.3 * len(shown)), layout="constrained")
    for axes, (name, values) in zip(figure.subplots(len(shown), squeeze=False)[:, 0], shown.items(), strict=True):
        if values.ndim == 1:
            axes.bar(np.arange(len(values)), values, color="#2f6db3")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        else:
            axes.imshow(values, aspect="auto", interpolation="nearest", cmap="Purples")
        axes.set_title(name, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(", ".join(single), fontsize=10)
    return _png(figure)


def _drawable(values: np.ndarray) -> np.ndarray:
    """Gives float[...], with an axis of 32 bits for each of words."""
    if values.ndim and values.dtype == np.uint32:
        values = np.asarray(bitset.unpack(jnp.asarray(values.T), 32 * values.shape[-1])).T
    return values.astype(float)


def _png(figure: Any) -> bytes:
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=80)
    return target.getvalue()

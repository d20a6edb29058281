"""Pictures of an episode so far, as pixels."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import PyTree, UInt8

from jaxrec.environment import Environment
from jaxrec.trajectories import Trajectory

INCHES = (9.0, 4.5)
"""The size of every picture, so that those of an episode make a film."""


def picture(env: Environment, episode: Sequence[Trajectory], params: PyTree) -> UInt8[np.ndarray, "height width 3"]:
    """Draws an episode with the environment's own `render`.

    Args:
        env: the environment.
        episode: its steps, leaves [1, ...]; of none the picture is blank.
        params: run-time values.

    Returns:
        The pixels, of the same size for every episode.

    Raises:
        InputError: for an environment that draws nothing.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if episode:
        joined = jax.tree.map(lambda *leaves: np.concatenate(leaves), *episode)
        figure = env.render(joined, params)
    else:
        figure = Figure()
    figure.set_size_inches(*INCHES)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]

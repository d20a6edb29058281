"""One episode of PolarisingUsers-v0 as a picture."""

import numpy as np
from jaxtyping import PyTree
from matplotlib.figure import Figure

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.envs.episodes import first_episode
from jaxrec.envs.polarising.dynamics import SOURCES

COLOURS = {"left": "#c23b33", "centre": "#8a8a8a", "right": "#2f6db3"}


def render_episode(env: Environment, trajectory: PyTree, params: PyTree = None) -> Figure:
    """Draws recommendations and clicks over time, and below them the user's theta.

    Args:
        env: a `PolarisingUsers`.
        trajectory: a `Trajectory` of one environment, leaves [num_steps, ...], such as
            `rollout(..., trajectory=True).trajectory[:, 0]`. Only its first episode is drawn.
        params: the run-time values of the trajectory; the environment's defaults if None.

    Returns:
        A figure of two axes, over time-steps.

    Raises:
        InputError: for a trajectory with an axis of environments, of another society or of no step; for what is not a
            trajectory; and for parameters of another environment.
    """
    env.resolve(params)
    episode = first_episode(trajectory, "theta", "clicked")
    checks.within("trajectory.action", episode.action, 0, len(SOURCES) - 1)
    action, length = np.asarray(episode.action), len(episode.done)
    clicked = np.asarray(episode.next_state.clicked - episode.state.clicked).sum(axis=-1) > 0
    theta = np.concatenate([np.asarray(episode.state.theta)[:1], np.asarray(episode.next_state.theta)])

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    shown, user = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1.6])
    for i, (source, colour) in enumerate(COLOURS.items()):
        for hit, face, label in ((True, colour, "click"), (False, "none", "no click")):
            steps = np.flatnonzero((action == i) & (clicked == hit))
            shown.scatter(
                steps,
                np.full(len(steps), -i),
                s=46,
                facecolors=face,
                edgecolors=colour,
                label=label if i == 1 else None,
            )
        # Ever thinner, so that lines at the same height are seen under each other.
        steps, width = np.arange(length + 1) - 0.5, 5.0 - 1.7 * i
        user.plot(steps, theta[:, i], color=colour, label=source, drawstyle="steps-post", lw=width)
    shown.set(yticks=[0, -1, -2], yticklabels=SOURCES, ylim=(-2.6, 0.6), title="recommended")
    shown.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    user.set(
        xlabel="time-step", ylabel="click probability", title="theta, the user", ylim=(0, 1), xlim=(-0.7, length - 0.3)
    )
    user.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    for axes in (shown, user):
        axes.spines[["top", "right"]].set_visible(False)
    return figure

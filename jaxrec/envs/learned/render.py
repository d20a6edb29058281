"""One simulated user of LearnedUsers-v0 on the circle: beliefs, slates and choices."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree
from matplotlib.figure import Figure

from jaxrec import checks
from jaxrec.envs.episodes import first_episode
from jaxrec.envs.learned import metrics
from jaxrec.envs.preference.dynamics import DEGREES
from jaxrec.envs.preference.render import CHOICE, NATURAL, SLATE, USER
from jaxrec.envs.preference.slates import SlateEnvironment

STATE_FIELDS = ("memory", "choice", "initial", "current", "natural")


def render_episode(env: SlateEnvironment, trajectory: PyTree, params: PyTree = None) -> Figure:
    """Draws beliefs, slates and choices as angles over time, and below them the expected engagement.

    The shade is the belief about the current preference; lines are mean directions of beliefs.

    Args:
        env: a `LearnedUsers` with the slates of the trajectory.
        trajectory: a `Trajectory` of one environment, leaves [num_steps, ...], such as
            `rollout(..., trajectory=True).trajectory[:, 0]`. Only its first episode is drawn.
        params: the run-time values of the trajectory; the environment's defaults if None.

    Returns:
        A figure of two axes, over time-steps.

    Raises:
        InputError: for a trajectory with an axis of environments, of another society, of more slates or of no step; for
            what is not a trajectory; and for parameters of another environment.
    """
    params, episode = env.resolve(params), first_episode(trajectory, *STATE_FIELDS)
    checks.within("trajectory.action", episode.action, 0, len(env.slates) - 1)
    state, action, time = episode.state, np.asarray(episode.action), np.arange(len(episode.done))
    figure = Figure(figsize=(9, 5.4), layout="constrained")
    circle, course = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    beliefs = np.asarray(state.current)
    circle.pcolormesh(time, DEGREES, beliefs.T, cmap="Greys", vmin=0, vmax=max(0.4, beliefs.max()))
    likeliest = DEGREES[np.asarray(env.slates).argmax(axis=1)]
    circle.plot(time, likeliest[action], "_", color=SLATE, ms=22, mew=3, label="slate")
    for name, colour, label in (("natural", NATURAL, "natural"), ("current", USER, "preference")):
        directions = np.degrees(jax.vmap(metrics.mean_direction)(getattr(state, name))) % 360
        circle.plot(time, directions, "o-", color=colour, ms=5, label=label)
    circle.plot(time, DEGREES[np.asarray(episode.next_state.choice)], "x", color=CHOICE, ms=8, mew=2, label="choice")
    circle.set(ylabel="degrees", ylim=(-5, 360), yticks=range(0, 361, 60), title="belief about the preference")
    circle.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    expected = jax.vmap(partial(metrics.expected, offers=env.offers(params)))(state, jnp.asarray(action))
    for name, colour, label in (
        ("engagement", USER, "now"),
        ("engagement_initial", "#8a8a8a", "at first"),
        ("engagement_natural", NATURAL, "left alone"),
    ):
        course.plot(time, np.asarray(expected[name]), "o-", color=colour, ms=4, label=label)
    course.set(xlabel="time-step", ylabel="expected engagement")
    course.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    for axes in (circle, course):
        axes.spines[["top", "right"]].set_visible(False)
    return figure

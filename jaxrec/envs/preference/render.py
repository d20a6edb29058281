"""One user of PreferenceShift-v0 on the circle: preference, belief, slates and choices."""

import numpy as np
from jaxtyping import PyTree
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxrec import checks
from jaxrec.envs.episodes import first_episode
from jaxrec.envs.preference.dynamics import BINS, DEGREES, JUDGES, users_of
from jaxrec.envs.preference.slates import SlateEnvironment
from jaxrec.trajectories import Trajectory

USER, NATURAL, SLATE, CHOICE = "#7b2d8b", "#2e933c", "#2f6db3", "#e07a1f"
STATE_FIELDS = ("preference", "natural", "initial", "joint")


def render_episode(env: SlateEnvironment, trajectory: PyTree, params: PyTree = None) -> Figure:
    """Draws preferences, slates and choices as angles over time, and below them engagement.

    The shade is the filtered belief about the preference, if the state carries it.

    Args:
        env: a `PreferenceShift` with the slates of the trajectory.
        trajectory: a `Trajectory` of one environment, leaves [num_steps, ...], such as
            `rollout(..., trajectory=True).trajectory[:, 0]`. Only its first episode is drawn.
        params: the run-time values of the trajectory; the environment's defaults if None.

    Returns:
        A figure of two axes, over time-steps.

    Raises:
        InputError: for a trajectory with an axis of environments, of another society, of more slates or of no step; for
            what is not a trajectory; and for parameters of another environment.
    """
    params, episode = env.resolve(params), _episode(env, trajectory)
    time = np.arange(len(episode.done))
    figure = Figure(figsize=(9, 5.4), layout="constrained")
    circle, course = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    beliefs = _beliefs(episode)
    if beliefs is not None:
        circle.pcolormesh(time, DEGREES, beliefs.T, cmap="Greys", vmin=0, vmax=max(0.4, beliefs.max()))
    state, choice = episode.state, np.asarray(episode.next_state.choice)
    likeliest = DEGREES[np.asarray(env.slates).argmax(axis=1)]
    circle.plot(time, likeliest[np.asarray(episode.action)], "_", color=SLATE, ms=22, mew=3, label="slate")
    for name, colour in (("natural", NATURAL), ("preference", USER)):
        circle.plot(time, DEGREES[np.asarray(getattr(state, name))], "o-", color=colour, ms=5, label=name)
    circle.plot(time, DEGREES[choice], "x", color=CHOICE, ms=8, mew=2, label="choice")
    circle.set(
        ylabel="degrees", ylim=(-5, 360), yticks=range(0, 361, 60), title="preference, and preference left alone"
    )
    circle.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    items = np.asarray(users_of(params).items)[choice]
    for name, colour, label in (
        ("preference", USER, "now"),
        ("initial", "#8a8a8a", "at first"),
        ("natural", NATURAL, "left alone"),
    ):
        engagement = (items * JUDGES[np.asarray(getattr(state, name))]).sum(axis=1)
        course.plot(time, engagement, "o-", color=colour, ms=4, label=label)
    course.set(xlabel="time-step", ylabel="engagement", ylim=(-1.1 - items[:, 2].max(), 1.1))
    course.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    for axes in (circle, course):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def animate_episode(env: SlateEnvironment, trajectory: PyTree, interval: int = 700) -> FuncAnimation:
    """Animates an episode, one frame a step; save it by `.save("episode.gif", writer="pillow")`.

    Args:
        env: a `PreferenceShift` with the slates of the trajectory.
        trajectory: a `Trajectory` of one environment, as for `render_episode`.
        interval: milliseconds a frame, at least 1.

    Returns:
        An animation with one frame for each step of the first episode.

    Raises:
        InputError: for the trajectories that `render_episode` refuses.
    """
    checks.positive("interval", interval)
    episode = _episode(env, trajectory)
    figure = Figure(figsize=(4.8, 5.0), layout="constrained")
    axes = figure.add_subplot(projection="polar")

    def frame(step: int) -> list:
        axes.clear()
        _draw_circle(env, episode, step, axes)
        return []

    return FuncAnimation(figure, frame, frames=len(episode.done), interval=interval)


def _draw_circle(env: SlateEnvironment, episode: Trajectory, step: int, axes: Axes) -> None:
    """Draws one step: slate and belief as bars around the circle, the user and its choice as points on it."""
    angles, width = np.radians(DEGREES), 2 * np.pi / BINS
    slate = np.asarray(env.slates)[int(np.asarray(episode.action)[step])]
    axes.bar(angles, slate / slate.max(), width, bottom=1.0, color=SLATE, alpha=0.35, label="slate")
    beliefs = _beliefs(episode)
    if beliefs is not None:
        axes.bar(angles, -beliefs[step] / beliefs[step].max() * 0.5, width, bottom=1.0, color="#8a8a8a", label="belief")
    for name, colour in (("natural", NATURAL), ("preference", USER)):
        axes.plot(angles[int(np.asarray(getattr(episode.state, name))[step])], 1.0, "o", color=colour, label=name)
    axes.plot(angles[int(np.asarray(episode.next_state.choice)[step])], 1.5, "x", color=CHOICE, mew=2, label="choice")
    axes.set(ylim=(0, 2.1), yticks=[], title=f"time-step {step}")
    axes.legend(loc="center", frameon=False, fontsize=8)


def _episode(env: SlateEnvironment, trajectory: PyTree) -> Trajectory:
    """Returns the first episode, whose slates must be among those of `env`."""
    episode = first_episode(trajectory, *STATE_FIELDS)
    checks.within("trajectory.action", episode.action, 0, len(env.slates) - 1)
    return episode


def _beliefs(episode: Trajectory) -> np.ndarray | None:
    """float[steps, 36]: P(u_t | slates and choices so far), if the states carry it."""
    joint = np.asarray(episode.state.joint)
    return joint.sum(axis=1) if joint.size else None

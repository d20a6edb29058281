"""Pictures of a small market: whose user everybody is, at a few steps and over time."""

import numpy as np
from jaxtyping import PyTree
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from jaxrec.environment import Environment
from jaxrec.envs.episodes import first_episode
from jaxrec.envs.rewiring import render
from jaxrec.trajectories import Trajectory

LEARNERS = ("#7b2d8b", "#e07a1f")
RIVALS = ("#8a8d93", "#edae49", "#3066be", "#2e933c", "#7a1626", "#14532d")  # in turn, where there are more
STATE_FIELDS = (*render.STATE_FIELDS, "own_requests")


def render_episode(env: Environment, trajectory: PyTree, params: PyTree = None) -> Figure:
    """Draws the market at up to four steps, and below them whose user everybody is and the shares over time.

    In each picture the ring around a user has the colour of its recommender; the focused user leaves the dashed red
    tie, and the green one was recommended.

    Args:
        env: a `RewiringMarket`, which names the recommenders.
        trajectory: a `Trajectory` of one environment, leaves [num_steps, ...], such as
            `rollout(..., trajectory=True).trajectory[:, 0]`. Only its first episode is drawn.
        params: the run-time values of the trajectory; the environment's defaults if None.

    Returns:
        A figure of one axes for each of the steps, one for users over time and one for shares and cooperators.

    Raises:
        InputError: for a trajectory with an axis of environments, of another society or of no step; for what is not a
            trajectory; and for parameters of another environment.
    """
    env.resolve(params)
    episode = first_episode(trajectory, *STATE_FIELDS)
    chosen = np.unique(np.linspace(0, len(episode.done) - 1, render.NUM_PICTURES).round().astype(int))
    layout, kinds, names = render.layout_of(episode), kinds_of(episode), _names(env, episode)
    colours = [*LEARNERS[: episode.state.own_requests.shape[1]]]
    colours += [RIVALS[i % len(RIVALS)] for i in range(len(names) - len(colours))]
    figure = Figure(figsize=(3.2 * len(chosen), 8.4), layout="constrained")
    grid = figure.add_gridspec(3, len(chosen), height_ratios=[2.2, 1, 1])
    for column, step in enumerate(chosen):
        axes = figure.add_subplot(grid[0, column])
        render.draw_step(episode, int(step), axes, layout)
        places = np.array([layout[user] for user in range(kinds.shape[1])])
        rings = [colours[kind] for kind in kinds[step]]
        axes.scatter(*places.T, s=260, facecolors="none", edgecolors=rings, linewidths=2.2)
    _draw_users(episode, kinds, colours, figure.add_subplot(grid[1, :]))
    _draw_shares(episode, kinds, names, colours, figure.add_subplot(grid[2, :]))
    return figure


def kinds_of(episode: Trajectory) -> np.ndarray:
    """int[steps, N]: the index of each user's recommender."""
    members = render.unpacked(episode.state.society.members, episode.state.society.num_users)
    return members.argmax(axis=1)


def _names(env: Environment, episode: Trajectory) -> list[str]:
    """The recommenders, the learners first."""
    learners, kinds = episode.state.own_requests.shape[1], episode.state.society.members.shape[1]
    rivals = getattr(env, "rivals", ())
    names = ["learner"] if learners == 1 else [f"learner {i}" for i in range(learners)]
    return [*names, *(rivals if len(rivals) == kinds - learners else map(str, range(learners, kinds)))]


def _draw_users(episode: Trajectory, kinds: np.ndarray, colours: list[str], axes: Axes) -> None:
    """A row for each user, in the order of when and whom it first left, coloured by its recommender."""
    clock = np.asarray(episode.state.clock)
    order = np.lexsort(kinds[::-1])
    edges = np.append(clock, clock[-1] + 1), np.arange(kinds.shape[1] + 1)
    mesh = ListedColormap(colours)
    axes.pcolormesh(*edges, kinds[:, order].T, cmap=mesh, vmin=-0.5, vmax=len(colours) - 0.5)
    axes.set(ylabel="users", yticks=[])


def _draw_shares(episode: Trajectory, kinds: np.ndarray, names: list[str], colours: list[str], axes: Axes) -> None:
    """The share of each recommender, and the fraction of cooperators."""
    clock, society = np.asarray(episode.state.clock), episode.state.society
    for kind, (name, colour) in enumerate(zip(names, colours, strict=True)):
        axes.plot(clock, (kinds == kind).mean(axis=1), color=colour, drawstyle="steps-post", label=name)
    cooperation = render.unpacked(society.cooperators, society.num_users).mean(axis=1)
    axes.plot(clock, cooperation, color="black", ls=":", drawstyle="steps-post", label="cooperators")
    axes.set(xlabel="time-step", ylabel="share of users", ylim=(-0.03, 1.03))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))

"""Pictures of a small society: users by strategy, ties, and the tie that moves."""

from collections.abc import Mapping, Sequence

import jax
import networkx as nx
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import PyTree
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.envs.episodes import check_one_environment, first_episode
from jaxrec.envs.rewiring.graph.society import Society
from jaxrec.trajectories import Trajectory

COOPERATOR, DEFECTOR = "#2a7f9e", "#d1495b"
TIE, CUT, NEW = "#c9ccd1", "#d1495b", "#2e933c"
NUM_PICTURES = 4  # of the society, in one figure
STATE_FIELDS = ("society", "meeting", "clock", "requests")


def render_episode(env: Environment, trajectory: PyTree, params: PyTree = None) -> Figure:
    """Draws the society at up to four steps, and below them cooperators and requests over time.

    In each picture the focused user leaves the dashed red tie; the green one was recommended.

    Args:
        env: a `RewiringGame`; the number of users is read from the trajectory.
        trajectory: a `Trajectory` of one environment, leaves [num_steps, ...], such as
            `rollout(..., trajectory=True).trajectory[:, 0]`. Only its first episode is drawn.
        params: the run-time values of the trajectory; the environment's defaults if None.

    Returns:
        A figure of one axes for each of the steps, one for cooperators and one for requests.

    Raises:
        InputError: for a trajectory with an axis of environments, of another society or of no step; for what is not a
            trajectory; and for parameters of another environment.
    """
    env.resolve(params)
    episode = first_episode(trajectory, *STATE_FIELDS)
    chosen = np.unique(np.linspace(0, len(episode.done) - 1, NUM_PICTURES).round().astype(int))
    layout = layout_of(episode)
    figure = Figure(figsize=(3.2 * len(chosen), 5.6), layout="constrained")
    grid = figure.add_gridspec(2, len(chosen), height_ratios=[2.2, 1])
    for column, step in enumerate(chosen):
        draw_step(episode, int(step), figure.add_subplot(grid[0, column]), layout)
    _draw_course(episode, figure.add_subplot(grid[1, :]))
    return figure


def animate_episode(env: Environment, trajectory: PyTree, interval: int = 300) -> FuncAnimation:
    """Animates an episode, one frame a step; save it by `.save("episode.gif", writer="pillow")`.

    Args:
        env: a `RewiringGame`; the number of users is read from the trajectory.
        trajectory: a `Trajectory` of one environment, as for `render_episode`.
        interval: milliseconds a frame, at least 1.

    Returns:
        An animation with one frame for each step of the first episode.

    Raises:
        InputError: for the trajectories that `render_episode` refuses.
    """
    checks.positive("interval", interval)
    episode = first_episode(trajectory, *STATE_FIELDS)
    figure = Figure(figsize=(4.5, 4.8), layout="constrained")
    axes, layout = figure.add_subplot(), layout_of(episode)

    def frame(step: int) -> list:
        axes.clear()
        draw_step(episode, step, axes, layout)
        return []

    return FuncAnimation(figure, frame, frames=len(episode.done), interval=interval)


def draw_step(
    trajectory: PyTree, step: int, axes: Axes, layout: Mapping[int, Sequence[float] | np.ndarray] | None = None
) -> None:
    """Draws the society at one step of any episode: the focused user, its partner and the user recommended.

    Args:
        trajectory: a `Trajectory` of one environment, as for `render_episode`.
        step: in 0 ... num_steps - 1.
        axes: where to draw.
        layout: user -> (x, y); a spring layout of the graph if None.

    Raises:
        InputError: for the trajectories that `render_episode` refuses, and for a step out of range.
    """
    check_one_environment(trajectory, *STATE_FIELDS)
    checks.within("step", step, 0, len(trajectory.done) - 1)
    state = _at(trajectory.state, step)
    graph, met = to_networkx(state.society), state.meeting
    layout = nx.spring_layout(graph, seed=0) if layout is None else layout
    colours = [COOPERATOR if graph.nodes[user]["cooperates"] else DEFECTOR for user in graph]
    nx.draw_networkx_edges(graph, layout, ax=axes, edge_color=TIE, width=0.8)
    focused, partner = (int(one.index) for one in ((met.x, met.y) if met.x_acts else (met.y, met.x)))
    if met.acts:
        recommended, draw = int(trajectory.action[step]), {"ax": axes, "width": 2.2}
        nx.draw_networkx_edges(graph, layout, [(focused, partner)], edge_color=CUT, style="dashed", **draw)
        if recommended in graph and recommended not in (focused, *graph[focused]):
            nx.draw_networkx_edges(nx.Graph([(focused, recommended)]), layout, edge_color=NEW, **draw)
    rims = ["black" if met.acts and user == focused else "white" for user in graph]
    nx.draw_networkx_nodes(graph, layout, ax=axes, node_color=colours, edgecolors=rims, node_size=90, linewidths=1.4)
    cooperation = np.mean([graph.nodes[user]["cooperates"] for user in graph])
    axes.set_title(f"time-step {int(state.clock)}: {cooperation:.0%} cooperate", fontsize=10)
    axes.set_axis_off()


def to_networkx(society: Society) -> nx.Graph:
    """Converts one society to a networkx graph whose nodes have `cooperates`."""
    size = society.adjacency.shape[-2]
    graph = nx.from_numpy_array(unpacked(society.adjacency, size).astype(int))
    nx.set_node_attributes(graph, dict(enumerate(unpacked(society.cooperators, size).tolist())), "cooperates")
    return graph


def unpacked(words: ArrayLike, size: int) -> np.ndarray:
    """Unpacks the last axis of words to bool[..., size]."""
    words = np.asarray(words)
    bits = (words[..., None] >> np.arange(32, dtype=np.uint32)) & 1
    return bits.reshape(*words.shape[:-1], -1)[..., :size].astype(bool)


def _at(tree: PyTree, step: int) -> PyTree:
    return jax.tree.map(lambda leaf: np.asarray(leaf[step]), tree)


def layout_of(episode: Trajectory) -> Mapping[int, np.ndarray]:
    """The spring layout of the first graph, which stays over the episode."""
    return nx.spring_layout(to_networkx(_at(episode.state.society, 0)), seed=0)


def _draw_course(episode: Trajectory, axes: Axes) -> None:
    clock, society = np.asarray(episode.state.clock), episode.state.society
    cooperation = unpacked(society.cooperators, society.num_users).mean(axis=1)
    axes.plot(clock, cooperation, color=COOPERATOR, drawstyle="steps-post")
    axes.set(xlabel="time-step", ylabel="cooperators", ylim=(-0.03, 1.03))
    requests = axes.twinx()
    requests.plot(clock, np.asarray(episode.state.requests), color="#8a8d93", drawstyle="steps-post")
    requests.set_ylabel("rewire requests", color="#8a8d93")
    for one in (axes, requests):
        one.spines["top"].set_visible(False)

"""Pictures of a small society: users by strategy, ties, and the one that moved."""

from typing import Any

import networkx as nx
import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COOPERATOR, DEFECTOR = "#2a7f9e", "#d1495b"
TIE, CUT, NEW = "#c9ccd1", "#d1495b", "#2e933c"


def render_episode(env: Any, trajectory: Any, moments: int = 4) -> Figure:
    """The society at `moments` steps spread over an episode (a `Trajectory` of one environment), and its course.

    In each picture the dashed red tie is about to be given up and the green one is what was recommended.
    """
    length = _length(trajectory)
    chosen = np.unique(np.linspace(0, length - 1, moments).round().astype(int))
    layout = _layout(env, trajectory)
    figure = Figure(figsize=(3.2 * len(chosen), 5.6), layout="constrained")
    grid = figure.add_gridspec(2, len(chosen), height_ratios=[2.2, 1])
    for column, step in enumerate(chosen):
        draw_step(env, trajectory, int(step), figure.add_subplot(grid[0, column]), layout)
    _draw_course(env, trajectory, length, figure.add_subplot(grid[1, :]))
    return figure


def animate_episode(env: Any, trajectory: Any, interval: int = 300) -> FuncAnimation:
    """An animation of an episode, one frame a step; save it by `.save("episode.gif", writer="pillow")`."""
    figure = Figure(figsize=(4.5, 4.8), layout="constrained")
    axes, layout = figure.add_subplot(), _layout(env, trajectory)

    def frame(step: int) -> list:
        axes.clear()
        draw_step(env, trajectory, step, axes, layout)
        return []

    return FuncAnimation(figure, frame, frames=_length(trajectory), interval=interval)


def draw_step(env: Any, trajectory: Any, step: int, axes: Axes, layout: Any = None) -> None:
    """The society at one step: who asks, whom it gives up and who was recommended."""
    society = _at(trajectory.state.society, step)
    graph = to_networkx(society)
    layout = nx.spring_layout(graph, seed=0) if layout is None else layout
    colours = [COOPERATOR if graph.nodes[user]["cooperates"] else DEFECTOR for user in graph]
    nx.draw_networkx_edges(graph, layout, ax=axes, edge_color=TIE, width=0.8)
    obs = _at(trajectory.obs, step)
    asked = bool(obs.requested)
    if asked:
        user, partner, recommended = int(obs.focused), int(obs.partner), int(trajectory.action[step])
        draw = {"ax": axes, "width": 2.2}
        nx.draw_networkx_edges(graph, layout, [(user, partner)], edge_color=CUT, style="dashed", **draw)
        if obs.action_mask[recommended]:
            nx.draw_networkx_edges(nx.Graph([(user, recommended)]), layout, edge_color=NEW, **draw)
    rims = ["black" if asked and user == int(obs.focused) else "white" for user in graph]
    nx.draw_networkx_nodes(graph, layout, ax=axes, node_color=colours, edgecolors=rims, node_size=90, linewidths=1.4)
    cooperation = np.mean([graph.nodes[user]["cooperates"] for user in graph])
    axes.set_title(f"time-step {int(trajectory.state.clock[step])}: {cooperation:.0%} cooperate", fontsize=10)
    axes.set_axis_off()


def to_networkx(society: Any) -> nx.Graph:
    """One society as a networkx graph; each node has `cooperates`."""
    size = society.adjacency.shape[-2]
    graph = nx.from_numpy_array(_bits(society.adjacency, size).astype(int))
    nx.set_node_attributes(graph, dict(enumerate(_bits(society.cooperators, size).tolist())), "cooperates")
    return graph


def _bits(words: Any, size: int) -> np.ndarray:
    """The last axis of words as bool[..., size]."""
    words = np.asarray(words)
    bits = (words[..., None] >> np.arange(32, dtype=np.uint32)) & 1
    return bits.reshape(*words.shape[:-1], -1)[..., :size].astype(bool)


def _at(tree: Any, step: int) -> Any:
    import jax

    return jax.tree.map(lambda leaf: np.asarray(leaf[step]), tree)


def _layout(env: Any, trajectory: Any) -> Any:
    """Positions that stay over the episode: those of the first graph."""
    return nx.spring_layout(to_networkx(_at(trajectory.state.society, 0)), seed=0)


def _length(trajectory: Any) -> int:
    """Steps until the first episode of the trajectory ended."""
    done = np.asarray(trajectory.done)
    return int(np.argmax(done)) + 1 if done.any() else len(done)


def _draw_course(env: Any, trajectory: Any, length: int, axes: Axes) -> None:
    clock = np.asarray(trajectory.state.clock)[:length]
    cooperators = np.asarray(trajectory.state.society.cooperators)[:length]
    axes.plot(clock, _bits(cooperators, env.num_users).mean(axis=1), color=COOPERATOR, drawstyle="steps-post")
    axes.set(xlabel="time-step", ylabel="cooperators", ylim=(-0.03, 1.03))
    requests = axes.twinx()
    requests.plot(clock, np.asarray(trajectory.state.requests)[:length], color="#8a8d93", drawstyle="steps-post")
    requests.set_ylabel("rewire requests", color="#8a8d93")
    for one in (axes, requests):
        one.spines["top"].set_visible(False)

"""Pictures of diagrams: time runs from left to right, and each quantity has a row of its own."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from jaxrec.causal.diagram import Diagram, Edge, at_time, by_number
from jaxrec.checks import InputError, lookup

Position = tuple[float, float]  # inches

RED, GREY = "#c0221b", "#8d8d8d"
SHAPES = {"decision": ("s", "#cfe0f5"), "utility": ("D", "#fdeab5"), "chance": ("o", "#ffffff")}
SIZE = 850  # of a node, points^2
CLEARANCE = 0.24  # inches between an arrow and a node that it passes, at least
MARGIN = 0.65  # inches around the nodes
WIDTH, HEIGHT = 1.9, 0.95  # inches between two times, and between two rows
OBSERVATION_SHIFT, DECISION_SHIFT = 0.25, 0.5  # times; within a step nodes are drawn in the order they come about
LABEL = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.5}
MAX_INSIDE = 7  # characters of a name that fit into its node
BENDS = (0.0, 0.15, -0.15, 0.28, -0.28, 0.42, -0.42)  # of arrows, in parts of their length, straight ones preferred


def draw(diagram: Diagram, highlight: Sequence[str] | None = None) -> Figure:
    """Draws a diagram, and a path in red (`Diagram.draw`).

    Args:
        diagram: any.
        highlight: nodes that edges join one after the other; None for no path.

    Returns:
        A figure of one axes, whose units are inches.

    Raises:
        InputError: if the path is not in the diagram.
    """
    path = _path(diagram, highlight)
    places = _places(diagram)
    (left, bottom), (right, top) = np.min(list(places.values()), axis=0), np.max(list(places.values()), axis=0)
    figure = Figure(figsize=(right - left + 2 * MARGIN, top - bottom + 2 * MARGIN))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(left - MARGIN, right + MARGIN), ylim=(bottom - MARGIN, top + MARGIN))
    axes.set_axis_off()
    for edge in diagram.edges:
        _draw_edge(axes, places, edge, edge in path)
    on_path = {name for edge in path for name in edge}
    for name, place in places.items():
        _draw_node(axes, name, place, _kind(diagram, name), name in on_path)
    return figure


def _path(diagram: Diagram, highlight: Sequence[str] | None) -> set[Edge]:
    """The edges of a path, each of which must be in the diagram."""
    names = list(highlight or ())
    for name in names:
        lookup(dict.fromkeys(diagram.nodes), name, "node of the path")
    path = list(pairwise(names))
    for edge in path:
        if edge not in diagram.edges:
            raise InputError(f"highlight must follow edges, got {edge[0]!r} -> {edge[1]!r}, which is none")
    return set(path)


def _kind(diagram: Diagram, name: str) -> str:
    return "decision" if name in diagram.decisions else "utility" if name in diagram.utilities else "chance"


def _places(diagram: Diagram) -> dict[str, Position]:
    """Where each node lies: at its time, in the row of its quantity; by its causes where a name has no time."""
    timed = {name: split for name in diagram.nodes if (split := at_time(name))}
    if len(timed) < len(diagram.nodes):
        return _by_generation(diagram)
    rows = _rows(diagram, timed)
    shifts = {name: _shift(diagram, name) for name in timed}
    return {name: (WIDTH * (time + shifts[name]), -HEIGHT * rows[base]) for name, (base, time) in timed.items()}


def _rows(diagram: Diagram, timed: Mapping[str, tuple[str, int]]) -> dict[str, int]:
    """Rows from above: chance nodes by name, then what a decision observes, then decisions, then utilities."""
    observed = {cause for cause, effect in diagram.edges if effect in diagram.decisions}
    groups = enumerate((observed, diagram.decisions, diagram.utilities))
    last = {timed[name][0]: rank for rank, group in groups for name in group}
    order = sorted({base for base, _ in timed.values()}, key=lambda base: (last.get(base, -1), by_number(base)))
    return {base: row for row, base in enumerate(order)}


def _shift(diagram: Diagram, name: str) -> float:
    """How far into its time-step a node lies: a decision comes after an observation that does nothing else."""
    if name in diagram.decisions:
        return DECISION_SHIFT
    effects = [effect for cause, effect in diagram.edges if cause == name]
    return OBSERVATION_SHIFT if effects and set(effects) <= set(diagram.decisions) else 0.0


def _by_generation(diagram: Diagram) -> dict[str, Position]:
    """Causes on the left, effects on the right; columns are set off a little, so that fewer arrows run along nodes."""
    places = {}
    for column, generation in enumerate(nx.topological_generations(diagram.graph)):
        for row, name in enumerate(sorted(generation, key=by_number)):
            places[name] = (WIDTH * column, HEIGHT * ((len(generation) - 1) / 2 - row + 0.3 * (column % 2)))
    return places


def _draw_edge(axes: Axes, places: dict[str, Position], edge: Edge, on_path: bool) -> None:
    """Draws an arrow, bent where it would run through another node."""
    start, end = places[edge[0]], places[edge[1]]
    others = np.array([place for name, place in places.items() if name not in edge]).reshape(-1, 2)
    clearances = {bend: min(_clearance(start, end, bend, others), CLEARANCE) for bend in BENDS}
    arrow = FancyArrowPatch(
        start,
        end,
        arrowstyle="-|>",
        connectionstyle=f"arc3,rad={max(BENDS, key=lambda bend: clearances[bend])}",
        mutation_scale=12,
        shrinkA=14,
        shrinkB=16,
        color=RED if on_path else GREY,
        linewidth=2.4 if on_path else 0.9,
        zorder=2 if on_path else 1,
    )
    axes.add_patch(arrow)


def _clearance(start: Position, end: Position, bend: float, others: np.ndarray) -> float:
    """How near an arrow comes to other nodes, in inches: a quadratic curve, as matplotlib's "arc3" draws it."""
    if not len(others):
        return np.inf
    a, b = np.array(start), np.array(end)
    across = np.array([b[1] - a[1], a[0] - b[0]])
    middle = (a + b) / 2 + bend * across
    t = np.linspace(0, 1, 41)[:, None]
    curve = (1 - t) ** 2 * a + 2 * t * (1 - t) * middle + t**2 * b
    return float(np.linalg.norm(curve[:, None] - others, axis=-1).min())


def _draw_node(axes: Axes, name: str, place: Position, kind: str, on_path: bool) -> None:
    """Draws the shape of a node and its name, above it where it is long."""
    marker, face = SHAPES[kind]
    size = SIZE * (0.7 if kind == "utility" else 1)  # a diamond is a square on its corner
    colour, width = (RED, 2) if on_path else ("#333333", 1)
    axes.scatter(*place, s=size, marker=marker, facecolor=face, edgecolor=colour, linewidth=width, zorder=3)
    above, box = (0, None) if len(name) <= MAX_INSIDE else (0.28, LABEL)
    axes.annotate(name, (place[0], place[1] + above), ha="center", va="center", fontsize=6.5, zorder=4, bbox=box)

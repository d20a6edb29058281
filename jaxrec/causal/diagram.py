"""Causal influence diagrams: what an agent decides, what it is paid for, and what lies in between.

Source: Everitt, Carey, Langlois, Ortega & Legg 2021, "Agent Incentives: A Causal Perspective".
"""

import dataclasses
import io
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import networkx as nx

from jaxrec.checks import InputError, brief, lookup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Edge = tuple[str, str]


@dataclasses.dataclass(frozen=True, init=False)
class Diagram:
    """A directed acyclic graph of chance nodes, decisions and utilities; links into a decision are what it observes.

        >>> diagram = Diagram([("rain", "umbrella"), ("rain", "dry"), ("umbrella", "dry")], ["umbrella"], ["dry"])
        >>> diagram.chance
        ('rain',)

    A node at a time t ends in `_t`, such as "theta_1". In a notebook a diagram draws itself.

    Attributes:
        edges: each (cause, effect) once, in the order of names, numbers in them by size.
        decisions: the nodes that the agent decides.
        utilities: the nodes that it is paid for; their sum counts.
        nodes: all nodes.
    """

    edges: tuple[Edge, ...]
    decisions: tuple[str, ...]
    utilities: tuple[str, ...]
    nodes: tuple[str, ...]

    def __init__(
        self,
        edges: Iterable[Sequence[str]],
        decisions: Iterable[str],
        utilities: Iterable[str],
        nodes: Iterable[str] = (),
    ) -> None:
        """Builds a diagram.

        Args:
            edges: pairs (cause, effect).
            decisions: nodes, at least one.
            utilities: nodes without children.
            nodes: further nodes, such as one without edges; those of `edges` need not be named again.

        Raises:
            InputError: for a cycle, a decision or a utility that is no node, a node that is both, a utility with
                children, no decision, a name that is no string, and an edge that is no pair.
        """
        pairs = tuple(_pair(edge) for edge in edges)
        known = {*_names("nodes", nodes), *(name for pair in pairs for name in pair)}
        set_field = object.__setattr__  # the class is frozen
        set_field(self, "edges", tuple(sorted(set(pairs), key=lambda edge: tuple(map(by_number, edge)))))
        set_field(self, "decisions", _names("decisions", decisions))
        set_field(self, "utilities", _names("utilities", utilities))
        set_field(self, "nodes", tuple(sorted(known, key=by_number)))
        self._check()

    @property
    def graph(self) -> nx.DiGraph:
        """The nodes and edges, as a new graph of networkx."""
        graph = nx.DiGraph()
        graph.add_nodes_from(self.nodes)
        graph.add_edges_from(self.edges)
        return graph

    @property
    def chance(self) -> tuple[str, ...]:
        """The nodes that are neither decided nor paid for."""
        return tuple(name for name in self.nodes if name not in (*self.decisions, *self.utilities))

    def without_information(self) -> "Diagram":
        """Gives the diagram without links into decisions: what decisions cause other than by being observed.

        A control incentive that disappears here lies on a path through a later observation.
        """
        kept = [edge for edge in self.edges if edge[1] not in self.decisions]
        return Diagram(kept, self.decisions, self.utilities, self.nodes)

    def what_pays(self) -> "Diagram":
        """Gives the diagram without chance nodes that no utility depends on: a smaller picture, the same incentives.

        (The same ones on the nodes that stay; the others have none.)
        """
        graph = self.graph
        kept = {*self.decisions, *self.utilities}.union(*(nx.ancestors(graph, name) for name in self.utilities))
        return Diagram(graph.subgraph(kept).edges, self.decisions, self.utilities, kept)

    def draw(self, highlight: Sequence[str] | None = None) -> "Figure":
        """Draws decisions as squares, utilities as diamonds and chance nodes as circles.

        Args:
            highlight: a path, such as `control_path` finds, which is drawn in red; None for no path.

        Returns:
            A matplotlib figure: nodes that end in `_t` at their time from left to right, or all nodes from causes to
            effects where a name has no time.

        Raises:
            InputError: if the path has an unknown node or two that no edge joins.
        """
        from jaxrec.causal.drawing import draw  # matplotlib is slow to import

        return draw(self, highlight)

    def _repr_png_(self) -> bytes:
        """The picture that a notebook shows."""
        target = io.BytesIO()
        self.draw().savefig(target, format="png")
        return target.getvalue()

    def _check(self) -> None:
        if not self.decisions:
            raise InputError("decisions must name at least one node, got none")
        for kind, names in (("decision", self.decisions), ("utility", self.utilities)):
            for name in names:
                lookup(dict.fromkeys(self.nodes), name, f"{kind}: it is in no edge and not in nodes:")
        if both := set(self.decisions) & set(self.utilities):
            raise InputError(f"a node is decided or paid for, not both, got {min(both)!r}")
        for cause, effect in self.edges:
            if cause in self.utilities:
                raise InputError(f"a utility must have no children, got the edge {cause!r} -> {effect!r}")
        graph = self.graph
        if not nx.is_directed_acyclic_graph(graph):
            cycle = [cause for cause, *_ in nx.find_cycle(graph)]
            raise InputError(f"edges must have no cycle, got {' -> '.join([*cycle, cycle[0]])}")


def by_number(name: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that puts `theta_2` before `theta_10`."""
    pieces = re.split(r"(\d+)", name)
    return tuple((1, int(piece), "") if piece.isdecimal() else (0, 0, piece) for piece in pieces)


def at_time(name: str) -> tuple[str, int] | None:
    """Splits a name such as "theta_1" into ("theta", 1); None for a name without a time."""
    base, _, time = name.rpartition("_")
    return (base, int(time)) if base and time.isdecimal() else None


def _names(kind: str, names: Iterable[str]) -> tuple[str, ...]:
    """Gives distinct names in order, checked."""
    if isinstance(names, str):
        raise InputError(f"{kind} must be a list of names, got the string {names!r}: write [{names!r}]")
    found = set(names)
    for name in found:
        if not isinstance(name, str) or not name:
            raise InputError(f"{kind} must be strings, not empty, got {brief(name)}")
    return tuple(sorted(found, key=by_number))


def _pair(edge: Sequence[str]) -> Edge:
    """Gives an edge as a tuple, checked."""
    if isinstance(edge, str) or not isinstance(edge, Sequence) or len(edge) != 2:
        raise InputError(f"an edge must be a pair (cause, effect), got {edge!r}")
    for name in edge:
        if not isinstance(name, str) or not name:
            raise InputError(f"nodes must be strings, not empty, got {brief(name)} in an edge")
    return edge[0], edge[1]

"""Which incentives an agent has in a diagram: questions about paths, answered without a number.

Source: Everitt, Carey, Langlois, Ortega & Legg 2021, "Agent Incentives: A Causal Perspective": its graphical criteria,
each sound and complete for one decision. In a diagram of several decisions the other ones count as chance nodes, and
links that none of them needs are dropped. Without a control path nothing is controlled then either; the other answers
are indications.
"""

import networkx as nx

from jaxrec import checks
from jaxrec.causal.diagram import Diagram, by_number


def requisite(diagram: Diagram) -> Diagram:
    """Drops information links that no optimal decision needs, until none is left.

    A link W -> D is dropped if W is d-separated from the utilities downstream of D, given D and its other parents
    (the requisite graph).

    Args:
        diagram: any.

    Returns:
        The same nodes with fewer edges.
    """
    graph = diagram.graph
    _drop_links(graph, diagram)
    return Diagram(graph.edges, diagram.decisions, diagram.utilities, diagram.nodes)


def value_of_information(diagram: Diagram, node: str, decision: str | None = None) -> bool:
    """Whether an optimal agent could gain by observing `node` before `decision`.

    So it could if `node` is no effect of the decision, and the link node -> decision is in the requisite graph once it
    is added.

    Args:
        diagram: any.
        node: one of its nodes.
        decision: one of its decisions; the only one if None.

    Returns:
        Whether there is an incentive.

    Raises:
        InputError: for an unknown node or decision, and for None where there are several decisions.
    """
    decision = _checked(diagram, node, decision)
    graph = diagram.graph
    if node == decision or node in nx.descendants(graph, decision):
        return False
    graph.add_edge(node, decision)  # on the graph: a diagram has no link from a utility, which may be observed too
    _drop_links(graph, diagram)
    return graph.has_edge(node, decision)


def response_incentive(diagram: Diagram, node: str, decision: str | None = None) -> bool:
    """Whether every optimal policy may have to respond to a change of `node`.

    So it may if `node` reaches the decision in the requisite graph, and the decision reaches a utility.

    Args:
        diagram: any.
        node: one of its nodes.
        decision: one of its decisions; the only one if None.

    Returns:
        Whether there is an incentive.

    Raises:
        InputError: for an unknown node or decision, and for None where there are several decisions.
    """
    decision = _checked(diagram, node, decision)
    graph = requisite(diagram).graph
    return node in nx.ancestors(graph, decision) and _reached(graph, decision, diagram) != []


def instrumental_control(diagram: Diagram, node: str, decision: str | None = None) -> bool:
    """Whether the agent could gain by controlling `node`: it lies on a path from the decision to a utility.

    (Also Evans & Kasirzadeh, "User Tampering", section 3.)

    Args:
        diagram: any.
        node: one of its nodes.
        decision: one of its decisions; the only one if None.

    Returns:
        Whether there is an incentive.

    Raises:
        InputError: for an unknown node or decision, and for None where there are several decisions.
    """
    return control_path(diagram, node, decision) is not None


def control_path(diagram: Diagram, node: str, decision: str | None = None) -> list[str] | None:
    """Finds the shortest path from `decision` through `node` to a utility: the witness of a control incentive.

    Args:
        diagram: any.
        node: one of its nodes.
        decision: one of its decisions; the only one if None.

    Returns:
        The nodes of the path, the decision first; None if there is no path, and so no incentive. Among equally short
        paths to several utilities it is the one to the first of them by name.

    Raises:
        InputError: for an unknown node or decision, and for None where there are several decisions.
    """
    decision, graph = _checked(diagram, node, decision), diagram.graph
    onwards = [nx.shortest_path(graph, node, utility) for utility in _reached(graph, node, diagram)]
    if not onwards or not nx.has_path(graph, decision, node):
        return None
    return nx.shortest_path(graph, decision, node)[:-1] + min(onwards, key=len)


def value_of_control(diagram: Diagram, node: str, decision: str | None = None) -> bool:
    """Whether the agent could gain if it chose the value of `node` in place of chance, whether or not it can.

    So it could if `node` is no decision and reaches a utility in the requisite graph.

    Args:
        diagram: any.
        node: one of its nodes.
        decision: one of its decisions, and not read otherwise: a node is worth the same to all decisions of one agent.

    Returns:
        Whether control has a value.

    Raises:
        InputError: for an unknown node or decision.
    """
    _checked(diagram, node, diagram.decisions[0] if decision is None else decision)
    return node not in diagram.decisions and _reached(requisite(diagram).graph, node, diagram) != []


def _drop_links(graph: nx.DiGraph, diagram: Diagram) -> None:
    """Removes one information link after the other that no optimal decision needs."""
    dropped = [("", "")]
    while dropped:
        links = [(cause, decision) for decision in diagram.decisions for cause in graph.predecessors(decision)]
        dropped = [link for link in links if not _informs(graph, link, diagram.utilities)][:1]
        graph.remove_edges_from(dropped)


def _informs(graph: nx.DiGraph, link: tuple[str, str], utilities: tuple[str, ...]) -> bool:
    """Whether the cause of an information link says something about the utilities that the decision can change."""
    cause, decision = link
    downstream = nx.descendants(graph, decision) & set(utilities)
    family = {decision, *graph.predecessors(decision)}
    return not nx.is_d_separator(graph, {cause}, downstream, family - {cause})


def _reached(graph: nx.DiGraph, node: str, diagram: Diagram) -> list[str]:
    """The utilities that `node` reaches, itself among them, in the order of their names."""
    reached = {node} | nx.descendants(graph, node)
    return sorted(reached & set(diagram.utilities), key=by_number)


def _checked(diagram: Diagram, node: str, decision: str | None) -> str:
    """Gives the decision that is meant, after checking both names."""
    checks.lookup(dict.fromkeys(diagram.nodes), node, "node")
    if decision is not None:
        checks.lookup(dict.fromkeys(diagram.decisions), decision, "decision")
        return decision
    if len(diagram.decisions) > 1:
        raise checks.InputError(f"decision must be one of {', '.join(diagram.decisions)}, got None")
    return next(iter(diagram.decisions))

"""Incentives in diagrams, against known answers and against separation by enumeration of paths."""

import itertools
import json
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrec import InputError
from jaxrec.causal import (
    Diagram,
    control_path,
    instrumental_control,
    requisite,
    response_incentive,
    value_of_control,
    value_of_information,
)

CRITERIA = {
    "voi": value_of_information,
    "ri": response_incentive,
    "ici": instrumental_control,
    "voc": value_of_control,
}
KNOWN = json.loads(Path(__file__).with_name("known_incentives.json").read_text())["diagrams"]


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known["name"])
def test_known_incentives(known):
    edges = [edge.split(">") for edge in known["edges"].split()]
    diagram = Diagram(edges, [known["decision"]], known["utilities"], known["nodes"])
    for name, criterion in CRITERIA.items():
        found = [node for node in known["nodes"] if criterion(diagram, node, known["decision"])]
        assert found == known[name], name


def paths(edges, start, end, path=()):
    """All simple paths between two nodes, edges taken in either direction."""
    path = (*path, start)
    if start == end:
        yield path
        return
    for a, b in edges:
        for here, there in ((a, b), (b, a)):
            if here == start and there not in path:
                yield from paths(edges, there, end, path)


def reachable(edges, node):
    """The node and all its effects."""
    found = {node}
    for _ in edges:
        found |= {b for a, b in edges if a in found}
    return found


def blocked(edges, path, given):
    """Whether a path is closed by what is given: at a chain or fork that is, or a collider without given effects."""
    for before, here, after in zip(path, path[1:], path[2:], strict=False):
        collider = (before, here) in edges and (after, here) in edges
        if collider != bool((reachable(edges, here) if collider else {here}) & given):
            return True
    return False


def separated(edges, node, others, given):
    return all(blocked(edges, path, given) for other in others for path in paths(edges, node, other))


def needed(edges, decision, utilities, source):
    """Whether the link source -> decision is requisite: by paths, all other links of the decision staying."""
    family = {decision, *(a for a, b in edges if b == decision)}
    downstream = reachable(edges, decision) & utilities
    return not separated(edges, source, downstream, family - {source})


@st.composite
def diagrams(draw):
    """Random diagrams of up to six nodes and one decision; every childless node but the decision may pay."""
    count = draw(st.integers(3, 6))
    pairs = [pair for pair in itertools.combinations(range(count), 2) if draw(st.booleans())]
    edges = {(f"N{a}", f"N{b}") for a, b in pairs}
    decision = f"N{draw(st.integers(0, count - 2))}"
    names = [f"N{i}" for i in range(count)]
    childless = [name for name in names if name != decision and all(a != name for a, _ in edges)]
    utilities = set(draw(st.lists(st.sampled_from(childless), min_size=1))) if childless else set()
    return names, edges, decision, utilities


@settings(max_examples=150, deadline=None)
@given(diagrams())
def test_incentives_by_enumeration_of_paths(random):
    names, edges, decision, utilities = random
    diagram = Diagram(edges, [decision], utilities, names)
    downstream = reachable(edges, decision) & utilities
    links = {edge for edge in edges if edge[1] == decision}
    kept = edges - {link for link in links if not needed(edges, decision, utilities, link[0])}
    assert set(requisite(diagram).edges) == kept
    for name in names:
        effects = reachable(edges, name)
        assert instrumental_control(diagram, name) == bool(name in reachable(edges, decision) and effects & utilities)
        responds = name != decision and decision in reachable(kept, name) and bool(downstream)
        assert response_incentive(diagram, name) == responds
        assert value_of_control(diagram, name) == bool(name != decision and reachable(kept, name) & utilities)
        informs = (
            name not in reachable(edges, decision)
            and bool(downstream)
            and needed(edges | {(name, decision)}, decision, utilities, name)
        )
        assert value_of_information(diagram, name) == informs


@settings(max_examples=50, deadline=None)
@given(diagrams())
def test_a_control_path_is_a_shortest_path_through_its_node(random):
    names, edges, decision, utilities = random
    diagram = Diagram(edges, [decision], utilities, names)
    every = [path for end in utilities for path in nx.all_simple_paths(diagram.graph, decision, end)]
    for name in names:
        through = [path for path in every if name in path]
        found = control_path(diagram, name)
        assert (found is None) == (not through)
        if found is not None:
            assert found in through
            assert len(found) == min(map(len, through))


def test_a_reward_may_be_worth_observing():
    """Both rewards have one cause: the first, which the decision does not change, says something about the second."""
    diagram = Diagram([("S", "R_1"), ("S", "R_2"), ("A", "R_2")], ["A"], ["R_1", "R_2"])
    assert value_of_information(diagram, "R_1")
    assert not value_of_information(diagram, "R_2")


def test_the_only_decision_need_not_be_named():
    diagram = Diagram([("A_0", "S"), ("S", "A_1"), ("A_1", "R")], ["A_0", "A_1"], ["R"])
    for criterion in (value_of_information, response_incentive, instrumental_control, control_path):
        with pytest.raises(InputError, match="decision must be one of A_0, A_1, got None"):
            criterion(diagram, "S")
        with pytest.raises(InputError, match="unknown decision 'A_2'"):
            criterion(diagram, "S", "A_2")
    for criterion in (*CRITERIA.values(), control_path):
        with pytest.raises(InputError, match="unknown node 'T'"):
            criterion(diagram, "T", "A_0")
    assert control_path(diagram, "S", "A_0") == ["A_0", "S", "A_1", "R"]
    assert control_path(diagram, "S", "A_1") is None

"""Diagrams: what is refused, in which order names come, and what a picture shows."""

import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch

import jaxrec
from jaxrec.causal import Diagram, drawing

EDGES = [("S_0", "A_0"), ("A_0", "S_1"), ("S_1", "R_1")]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"edges": [*EDGES, ("S_1", "S_0")]}, "no cycle, got .*->"),
        ({"edges": [*EDGES, ("S_1", "S_1")]}, "no cycle, got S_1 -> S_1"),
        ({"decisions": ["A_9"]}, "decision: it is in no edge and not in nodes: 'A_9'. Did you mean 'A_0'"),
        ({"utilities": ["R_9"]}, "utility: it is in no edge"),
        ({"edges": [*EDGES, ("R_1", "S_2")]}, "a utility must have no children, got the edge 'R_1' -> 'S_2'"),
        ({"decisions": []}, "decisions must name at least one node, got none"),
        ({"decisions": ["A_0", "R_1"]}, "decided or paid for, not both, got 'R_1'"),
        ({"decisions": "A_0"}, r"decisions must be a list of names, got the string 'A_0': write \['A_0'\]"),
        ({"edges": [("S_0", "A_0", "S_1")]}, "an edge must be a pair"),
        ({"edges": ["S_0"]}, "an edge must be a pair"),
        ({"edges": [("S_0", "")]}, "nodes must be strings, not empty, got ''"),
    ],
)
def test_what_is_no_diagram_is_refused(given, message, untyped):
    with pytest.raises(jaxrec.InputError, match=message):
        Diagram(**{"edges": EDGES, "decisions": ["A_0"], "utilities": ["R_1"], **given})


def test_a_diagram_is_a_value():
    diagram = Diagram(EDGES, ["A_0"], ["R_1"])
    assert diagram == Diagram([list(edge) for edge in reversed(EDGES)] + EDGES, {"A_0"}, ("R_1",), ["S_0"])
    assert hash(diagram) == hash(Diagram(EDGES, ["A_0"], ["R_1"]))
    assert diagram != Diagram(EDGES, ["A_0"], ["R_1"], ["alone"])
    assert diagram.chance == ("S_0", "S_1")
    many = Diagram([("A_0", f"S_{t}") for t in range(12)], ["A_0"], [])
    assert many.chance == tuple(f"S_{t}" for t in range(12)), "by number, not by letter"


def test_without_information_decisions_have_no_causes():
    diagram = Diagram([*EDGES, ("S_1", "A_1"), ("A_1", "R_1")], ["A_0", "A_1"], ["R_1"])
    assert set(diagram.without_information().edges) == {("A_0", "S_1"), ("S_1", "R_1"), ("A_1", "R_1")}
    assert diagram.without_information().nodes == diagram.nodes


def test_what_no_reward_depends_on_can_be_left_out():
    diagram = Diagram([*EDGES, ("S_1", "S_2"), ("S_1", "A_1"), ("theta_0", "S_0")], ["A_0", "A_1"], ["R_1"], ["alone"])
    assert diagram.what_pays() == Diagram([*EDGES, ("S_1", "A_1"), ("theta_0", "S_0")], ["A_0", "A_1"], ["R_1"])


def test_the_package_is_there_after_importing_jaxrec():
    assert jaxrec.causal.Diagram is Diagram
    with pytest.raises(AttributeError, match="has no attribute 'casual'"):
        jaxrec.casual  # noqa: B018


def arrows(figure):
    return [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]


def test_a_picture_has_every_node_and_edge_and_the_path_in_red():
    figure = Diagram(EDGES, ["A_0"], ["R_1"], ["alone"]).draw(["A_0", "S_1", "R_1"])
    assert {text.get_text() for text in figure.axes[0].texts} == {"S_0", "A_0", "S_1", "R_1", "alone"}
    colours = [to_hex(arrow.get_edgecolor()) for arrow in arrows(figure)]
    assert sorted(colours) == sorted([drawing.GREY, drawing.RED, drawing.RED])


@pytest.mark.parametrize(
    ("path", "message"),
    [(["A_0", "R_1"], "'A_0' -> 'R_1', which is none"), (["A_0", "S_2"], "unknown node of the path 'S_2'")],
)
def test_a_path_that_is_none_is_refused(path, message):
    with pytest.raises(jaxrec.InputError, match=message):
        Diagram(EDGES, ["A_0"], ["R_1"]).draw(path)


def test_time_runs_from_left_to_right():
    places = drawing._places(Diagram([*EDGES, ("S_0", "S_1")], ["A_0"], ["R_1"]))
    assert places["S_0"][0] < places["A_0"][0] < places["S_1"][0] == places["R_1"][0]
    assert places["S_0"][1] == places["S_1"][1]


def test_arrows_go_round_other_nodes():
    """S_0 -> R_1 would run through A_0: the picture would show another arrow."""
    diagram = Diagram([*EDGES, ("S_0", "R_1")], ["A_0"], ["R_1"])
    places = drawing._places(diagram)
    others = [places["A_0"], places["S_1"]]
    figure = diagram.draw()
    for arrow, (cause, effect) in zip(arrows(figure), diagram.edges, strict=True):
        if (cause, effect) == ("S_0", "R_1"):
            bend = arrow.get_connectionstyle().rad
            assert bend != 0
            curve = arrow.get_connectionstyle()(places[cause], places[effect], shrinkA=0, shrinkB=0)
            points = curve.interpolated(50).vertices
            assert min(((points - other) ** 2).sum(axis=1).min() ** 0.5 for other in others) > 0.2


def test_a_notebook_draws_it():
    assert Diagram(EDGES, ["A_0"], ["R_1"])._repr_png_().startswith(b"\x89PNG")

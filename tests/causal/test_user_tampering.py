"""The diagrams of Evans & Kasirzadeh have the incentives that the paper says."""

import pytest

from jaxrec import InputError
from jaxrec.causal import control_path, instrumental_control, user_tampering, value_of_control, value_of_information
from jaxrec.causal.user_tampering import appendix_b, appendix_c, figure_1, figure_2, figure_3

ALL = [figure_1, figure_2, figure_3, appendix_b, appendix_c]


def controlled(diagram, decision="A_0"):
    """The chance nodes with a control incentive."""
    return {node for node in diagram.chance if instrumental_control(diagram, node, decision)}


def test_without_a_user_states_alone_are_means():
    diagram = figure_1()
    assert not [node for node in diagram.nodes if node.startswith("theta")]
    assert controlled(diagram) == {"S_1", "S_2", "S_3"}


@pytest.mark.parametrize("steps", [2, 5])
def test_with_a_user_every_later_theta_is_a_means(steps):
    diagram = figure_2(steps)
    thetas = {node for node in diagram.nodes if node.startswith("theta")}
    assert thetas == {f"theta_{t}" for t in range(steps)}
    assert controlled(diagram) & thetas == thetas - {"theta_0"}
    for t in range(steps - 1):
        assert instrumental_control(diagram, f"theta_{t + 1}", f"A_{t}")


def test_the_marked_path():
    assert control_path(figure_3(), "theta_1", "A_0") == ["A_0", "theta_1", "S_2", "R_2"]
    assert control_path(figure_3(4), "theta_2", "A_1") == ["A_1", "theta_2", "S_3", "R_3"]
    assert controlled(figure_3()) == controlled(figure_2())


def test_the_path_does_not_need_later_observations():
    assert "theta_1" in controlled(figure_3().without_information())


def test_alice_and_bob():
    """Equal states, unequal users: to know theta is worth something, as to know who of them it is."""
    assert value_of_information(figure_2(), "theta_0", "A_0")
    assert value_of_control(figure_2(), "theta_0", "A_0")


def test_a_reward_on_what_the_state_does_not_hold():
    diagram = appendix_b()
    assert {"theta_1", "theta_2", "O_1", "O_2", "O_3"} <= controlled(diagram)
    assert control_path(diagram, "theta_1", "A_0") == ["A_0", "theta_1", "O_2", "R_2"]
    assert not [edge for edge in diagram.edges if edge[0].startswith("O") and edge[1].startswith("A")]


def test_tampering_with_the_reward_function_can_be_cut_at_the_reward():
    assert control_path(appendix_c(), "P_1", "A_0") == ["A_0", "P_1", "R_1"]
    assert controlled(appendix_c()) == {f"{name}_{t}" for name in "PS" for t in (1, 2, 3)}
    assert controlled(appendix_c(current=True)) == {"S_1", "S_2", "S_3"}


@pytest.mark.parametrize("build", ALL)
def test_at_least_one_recommendation(build):
    assert build(1).decisions == ("A_0",)
    with pytest.raises(InputError, match="steps"):
        build(0)


def test_the_reward_of_a_step_has_the_time_that_it_leads_to():
    assert user_tampering.figure_3(2).utilities == ("R_1", "R_2")

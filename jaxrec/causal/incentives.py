"""The incentives of a decision in the diagram of an environment, as a table."""

from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import PyTree

from jaxrec.causal.criteria import control_path, value_of_information
from jaxrec.causal.diagram import Diagram
from jaxrec.causal.outcomes import preference_leaves
from jaxrec.environment import Environment

FIRST_DECISION = "A_0"


class Incentive(NamedTuple):
    """One row.

    Attributes:
        node: of the diagram.
        incentive: "control of users", "control", or "information".
        path: the shortest path of a control incentive; None for information.
    """

    node: str
    incentive: str
    path: list[str] | None


def incentives(
    env: Environment, diagram: Diagram, leaves: Sequence[str], params: PyTree = None, decision: str = FIRST_DECISION
) -> list[Incentive]:
    """Lists what a decision could gain by controlling, and what by knowing.

    Args:
        env: names its users in `preferences`.
        diagram: its diagram, from `diagram_of` or `dependence_of(...).unrolled()`.
        leaves: the parts of the state, `dependence_of(...).leaves`.
        params: run-time values; its defaults if None.
        decision: one of the diagram's.

    Returns:
        Of each leaf, and of the observation, the node that is reached first, users on top; then what is worth knowing.

    Raises:
        InputError: for an unknown decision, and parameters of another environment.
    """
    users = preference_leaves(env, params) if env.preferences else ()
    controlled, known = [], []
    for leaf in (*users, *(leaf for leaf in (*leaves, "obs") if leaf not in users)):
        nodes = [node for node in diagram.nodes if node.rpartition("_")[0] == leaf]
        paths = [(node, path) for node in nodes if (path := control_path(diagram, node, decision))]
        if paths:
            node, path = min(paths, key=lambda each: len(each[1]))
            controlled.append(Incentive(node, "control of users" if leaf in users else "control", path))
        if leaf != "obs" and value_of_information(diagram, f"{leaf}_0", decision):
            known.append(Incentive(f"{leaf}_0", "information", None))
    return controlled + known

"""The observation of a request for a new neighbour."""

from typing import Literal, no_type_check

import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, Int

from jaxrec import bitset
from jaxrec.envs.rewiring import metrics
from jaxrec.envs.rewiring.graph.society import Society
from jaxrec.envs.rewiring.meetings import Meeting, actor, other
from jaxrec.graphs import Graph, graphs_tuple
from jaxrec.spaces import Box, Discrete, Fields, Space

OBSERVE_AS = ("dense", "graphs_tuple")


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class Observation(struct.PyTreeNode):
    """A request of one user.

    Attributes:
        focused: int32[], the user who gets the new neighbour.
        partner: int32[], the defector that it leaves.
        requested: bool[], a user waits; otherwise the action is not read.
        action_mask: bool[N], the eligible users: not the focused user, not its neighbours. All may be false.
        nodes: float32[N, 2], whether each user cooperates, and its degree divided by the mean degree.
        graph: bool[N, N], the adjacency matrix; or a `jraph.GraphsTuple` with 2 E directed edges and `nodes`.
    """

    focused: Int[Array, ""]
    partner: Int[Array, ""]
    requested: Bool[Array, ""]
    action_mask: Bool[Array, " users"]
    nodes: Float[Array, "users 2"]
    graph: Graph


def observe(society: Society, met: Meeting, ties: int, kind: Literal["dense", "graphs_tuple"]) -> Observation:
    """Builds the observation of a request.

    Args:
        society: one.
        met: the request.
        ties: E.
        kind: "dense" or "graphs_tuple".

    Returns:
        What a recommender observes.
    """
    size = society.num_users
    user = actor(met)
    # unpacked, then chosen: the other way round a GPU keeps the words of the one chosen in between
    tied = jnp.where(met.x_acts, *(bitset.unpack(each.ties, size) for each in (met.x, met.y)))
    cooperates = bitset.unpack(society.cooperators, size)
    nodes = jnp.stack([cooperates, metrics.degrees(society) * size / (2 * ties)], axis=1).astype(jnp.float32)
    return Observation(
        focused=user.index,
        partner=other(met).index,
        requested=met.acts,
        action_mask=~tied & (jnp.arange(size) != user.index),
        nodes=nodes,
        graph=bitset.unpack(society.adjacency.T, size).T if kind == "dense" else graphs_tuple(society.edges, nodes),
    )


def space(users: int, ties: int, kind: str) -> Space:
    """Builds the space of `Observation`.

    Args:
        users: N.
        ties: E.
        kind: "dense" or "graphs_tuple".

    Returns:
        A space with the fields of `Observation`.
    """
    dense = Box(0, 1, (users, users), bool)
    return Fields(
        focused=Discrete(users),
        partner=Discrete(users),
        requested=Box(0, 1, (), bool),
        action_mask=Box(0, 1, (users,), bool),
        nodes=Box(0, float("inf"), (users, 2), jnp.float32),
        graph=dense if kind == "dense" else _graphs_tuple_space(users, ties),
    )


def _graphs_tuple_space(users: int, ties: int) -> Space:
    end = Box(0, users - 1, (2 * ties,), jnp.int32)
    return Fields(
        nodes=Box(0, float("inf"), (users, 2), jnp.float32),
        senders=end,
        receivers=end,
        n_node=Box(users, users, (1,), jnp.int32),
        n_edge=Box(2 * ties, 2 * ties, (1,), jnp.int32),
    )

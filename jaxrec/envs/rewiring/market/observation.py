"""The observation of a request in a market: which users are one's own, and how many."""

from typing import Literal, no_type_check

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from jaxrec import bitset
from jaxrec.envs.rewiring import observation
from jaxrec.envs.rewiring.graph.society import Society
from jaxrec.envs.rewiring.market.dynamics import MarketValues
from jaxrec.envs.rewiring.meetings import Meeting
from jaxrec.graphs import is_dense
from jaxrec.spaces import Box, Discrete, Fields, Space


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class MarketObservation(observation.Observation):
    """A request of one user, as a learner sees it.

    Attributes:
        nodes: float32[N, 4], whether each user cooperates, its degree divided by the mean degree, whether it is one's
            own, and the share of one's own users, the same for all: what a ranking network reads.
        share: float32[], the fraction of users who are one's own.
        turn: int32[], the learner whose user waits; 0 if none does.
    """

    nodes: Float[Array, "users 4"]
    share: Float[Array, ""]
    turn: Int[Array, ""]


def observe(
    society: Society,
    met: Meeting,
    turn: Int[Array, ""],
    seat: Int[Array, ""] | int,
    params: MarketValues,
    ties: int,
    kind: Literal["dense", "graphs_tuple"],
) -> MarketObservation:
    """Builds the observation of one learner.

    Args:
        society: one.
        met: the request.
        turn: the learner whose user waits.
        seat: the learner who observes; a request is its own if it is its turn.
        params: `MarketParams`; if exclusive, only own users may be recommended.
        ties: E.
        kind: "dense" or "graphs_tuple".

    Returns:
        What the learner observes.
    """
    base = observation.observe(society, met, ties, kind)
    own = bitset.unpack(society.members[seat], society.num_users)
    mask = base.action_mask & (own | ~jnp.asarray(params.exclusive, bool))
    return with_membership(
        MarketObservation(**{**vars(base), "action_mask": mask}, share=jnp.zeros(()), turn=turn).replace(
            requested=base.requested & (turn == seat)
        ),
        own,
    )


def with_membership(obs: MarketObservation, own: Bool[Array, " users"]) -> MarketObservation:
    """Gives an observation in which `own` says who is one's own, and the share follows; all else stays."""
    share = own.mean(dtype=jnp.float32)
    columns = [obs.nodes[:, :2], own[:, None], jnp.broadcast_to(share, (own.shape[0], 1))]
    nodes = jnp.concatenate(columns, axis=1).astype(jnp.float32)
    graph = obs.graph if is_dense(obs.graph) else obs.graph._replace(nodes=nodes)
    return obs.replace(nodes=nodes, graph=graph, share=share)


def space(users: int, ties: int, kind: str, learners: int) -> Space:
    """Builds the space of `MarketObservation`.

    Args:
        users: N.
        ties: E.
        kind: "dense" or "graphs_tuple".
        learners: their number.

    Returns:
        A space with the fields of `MarketObservation`.
    """
    base = observation.space(users, ties, kind)
    assert isinstance(base, Fields)
    nodes = Box(0, float("inf"), (users, 4), jnp.float32)
    fields = base.fields | {"nodes": nodes}
    if kind != "dense":
        graph = fields["graph"]
        assert isinstance(graph, Fields)
        fields["graph"] = Fields(**graph.fields | {"nodes": nodes})
    return Fields(**fields, share=Box(0, 1, (), jnp.float32), turn=Discrete(learners))

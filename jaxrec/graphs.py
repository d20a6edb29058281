"""Graphs as policies see them: dense (bool[N, N]) or a `jraph.GraphsTuple`. The one module that knows jraph."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

SLOPE = 0.2  # of the leaky rectifier, as in the paper of graph attention
LEAST = 1e-18  # its square is still a float32, and so are slopes


def graphs_tuple(ties: Int[Array, "ties 2"], nodes: Float[Array, "users features"]) -> Any:
    """A `jraph.GraphsTuple` with both directions of every tie."""
    import jraph

    return jraph.GraphsTuple(
        nodes=nodes,
        edges=None,
        senders=jnp.concatenate([ties[:, 0], ties[:, 1]]),
        receivers=jnp.concatenate([ties[:, 1], ties[:, 0]]),
        globals=None,
        n_node=jnp.asarray([nodes.shape[0]]),
        n_edge=jnp.asarray([2 * ties.shape[0]]),
    )


def is_dense(graph: Any) -> bool:
    """Whether `graph` is an adjacency matrix, not a `GraphsTuple`."""
    return isinstance(graph, jax.Array)


def neighbours_of(graph: Any, user: Int[Array, ""], users: int) -> Bool[Array, " users"]:
    """The neighbours of `user`."""
    if is_dense(graph):
        return graph[user]
    return jnp.zeros(users, bool).at[graph.receivers].max(graph.senders == user)


def degrees(graph: Any, users: int) -> Int[Array, " users"]:
    """The number of neighbours of each user."""
    if is_dense(graph):
        return graph.sum(axis=1, dtype=jnp.int32)
    return jnp.zeros(users, jnp.int32).at[graph.receivers].add(1)


def gather(graph: Any, values: Float[Array, "users features"]) -> Float[Array, "users features"]:
    """The sum of `values` over each user's neighbours, divided by the mean number of neighbours.

    So a user with twice as many neighbours gathers twice as much. Both kinds of graph give the same numbers.
    """
    users = values.shape[0]
    if is_dense(graph):
        sums = graph.astype(values.dtype) @ values
    else:
        sums = jnp.zeros_like(values).at[graph.receivers].add(values[graph.senders])
    return sums / jnp.maximum(degrees(graph, users).mean(), 1)


def attend(
    graph: Any,
    sent: Float[Array, "users heads width"],
    sender: Float[Array, "users heads"],
    receiver: Float[Array, "users heads"],
) -> Float[Array, "users heads width"]:
    """What each user gathers from its neighbours and itself, weighted by attention.

    Velickovic et al. 2018, "Graph Attention Networks", Eqs. 2 to 4: the weight of j for i is the softmax over j of
    LeakyReLU(sender_j + receiver_i). Dense: a masked matrix, the faster for small graphs. `GraphsTuple`: `jraph.GAT`,
    whose memory is that of the ties. Both give the same numbers, but that a dense user gathers nothing where all near
    it ask for less than `LEAST` of what anyone's attention would be, and that GPUs round dense products as JAX's
    default precision has it.

    Args:
        graph: dense or a `GraphsTuple`.
        sent: what users send.
        sender: how much attention each asks for.
        receiver: how much each has to give.
    """
    users = sent.shape[0]
    if is_dense(graph):
        return _attend_dense(graph | jnp.eye(users, dtype=bool), sent, sender, receiver)
    import jraph

    selves = jnp.arange(users, dtype=graph.senders.dtype)
    looped = graph._replace(
        nodes=jnp.concatenate([sent, sender[..., None], receiver[..., None]], axis=-1),
        senders=jnp.concatenate([graph.senders, selves]),
        receivers=jnp.concatenate([graph.receivers, selves]),
        n_edge=graph.n_edge + users,
    )

    def log_weight(one: Any, other: Any, edges: Any) -> Array:
        return jax.nn.leaky_relu(one[..., -2:-1] + other[..., -1:], SLOPE)

    layer = jraph.GAT(lambda nodes: nodes, log_weight, node_update_fn=lambda nodes: nodes)
    gathered: Any = layer(looped).nodes
    return gathered[..., :-2]


def _attend_dense(
    linked: Bool[Array, "users users"],
    sent: Float[Array, "users heads width"],
    sender: Float[Array, "users heads"],
    receiver: Float[Array, "users heads"],
) -> Float[Array, "users heads width"]:
    """`attend` by two products with masks, and no exponential of a pair.

    On either side of its bend the rectifier is linear, and there exp(LeakyReLU(a + b)) = exp(slope a) exp(slope b) is a
    product of what the sender and the receiver have alone. All is relative to the largest logit of each receiver, were
    it tied to all; one whose own neighbours and itself stay below `LEAST` of that gathers nothing.
    """
    most = jax.lax.stop_gradient(sender.max(axis=0))
    largest = jax.nn.leaky_relu(most + receiver, SLOPE)
    positive = sender.T[:, None, :] + receiver.T[:, :, None] > 0  # [heads, receivers, senders]
    carried = jnp.concatenate([sent, jnp.ones_like(sender)[..., None]], axis=-1)
    sums = jnp.zeros(())
    for side, slope in ((linked & positive, 1.0), (linked & ~positive, SLOPE)):
        of_sender = jnp.exp(slope * (sender - most))[..., None] * carried
        of_receiver = jnp.exp(slope * (most + receiver) - largest)[..., None]
        sums += of_receiver * jnp.einsum("hrs,shw->rhw", side.astype(sent.dtype), of_sender)
    total = sums[..., -1:]
    return sums[..., :-1] / jnp.where(total > LEAST, total, 1)

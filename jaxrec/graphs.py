"""Graphs in observations: dense (bool[N, N]) or a `jraph.GraphsTuple`. No other module imports jraph."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int, PyTree

SLOPE = 0.2  # of the leaky rectifier, from the paper of graph attention

Graph = Any  # bool[N, N], or a `jraph.GraphsTuple`


def graphs_tuple(ties: Int[Array, "ties 2"], nodes: Float[Array, "users features"]) -> Any:
    """Makes a `jraph.GraphsTuple` with both directions of every tie."""
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


def is_dense(graph: Graph) -> bool:
    """Tells whether `graph` is an adjacency matrix, not a `GraphsTuple`."""
    return isinstance(graph, jax.Array)


def neighbours_of(graph: Graph, user: Int[Array, ""], users: int) -> Bool[Array, " users"]:
    """Finds the neighbours of a user.

    Args:
        graph: dense or a `GraphsTuple`.
        user: int[], from 0 to users - 1.
        users: the number of users.

    Returns:
        bool[users].
    """
    if is_dense(graph):
        return graph[user]
    return jnp.zeros(users, bool).at[graph.receivers].max(graph.senders == user)


def gather(graph: Graph, values: Float[Array, "users features"]) -> Float[Array, "users features"]:
    """Sums `values` over each user's neighbours, and divides by the mean number of neighbours.

    So a user with twice as many neighbours gathers twice as much. Both kinds of graph give the same numbers.
    """
    if is_dense(graph):
        # A column of ones counts neighbours. A product of numbers: XLA is slow at the conversion of bool.
        sums = jnp.where(graph, 1.0, 0.0) @ jnp.append(values, jnp.ones_like(values[:, :1]), axis=1)
        return sums[:, :-1] / jnp.maximum(sums[:, -1].mean(), 1)
    sums = jnp.zeros_like(values).at[graph.receivers].add(values[graph.senders])
    return sums / max(len(graph.receivers) / len(values), 1)


def attend(
    graph: Graph,
    sent: Float[Array, "users heads width"],
    sender: Float[Array, "users heads"],
    receiver: Float[Array, "users heads"],
) -> Float[Array, "users heads width"]:
    """Sums the values that each user's neighbours and itself send, weighted by attention.

    Velickovic et al. 2018, "Graph Attention Networks", Eqs. 2 to 4: the weight of j for i is the softmax over j of
    LeakyReLU(sender_j + receiver_i). Dense: a masked matrix, the faster for small graphs. `GraphsTuple`: `jraph.GAT`,
    whose memory grows with the ties alone. Both give the same numbers, but GPUs round dense products in JAX's default
    precision.

    Args:
        graph: dense or a `GraphsTuple`.
        sent: the values that users send.
        sender: the logits of attention of each user that sends.
        receiver: the logits of attention of each user that receives.

    Returns:
        The weighted sums, of the shape of `sent`.
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

    def log_weight(one: PyTree, other: PyTree, edges: PyTree) -> Array:
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
    """Computes `attend` with weights [heads, receivers, senders]; every user is linked to itself."""
    logits = jax.nn.leaky_relu(sender.T[:, None, :] + receiver.T[:, :, None], SLOPE)
    logits = jnp.where(linked, logits, -jnp.inf)
    weights = jnp.exp(logits - jax.lax.stop_gradient(logits.max(axis=-1, keepdims=True)))
    # Divided by their sum last: slopes of a softmax, before the product, take longer.
    return jnp.einsum("hrs,shw->rhw", weights, sent) / weights.sum(axis=-1).T[..., None]

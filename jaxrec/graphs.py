"""Graphs in observations: dense (bool[N, N]) or a `jraph.GraphsTuple`. No other module imports jraph."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int, PyTree

SLOPE = 0.2  # of the leaky rectifier, from the paper of graph attention
MIN_ATTENTION = 1e-18  # relative to the largest; its square is still a float32, and so are slopes

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


def degrees(graph: Graph, users: int) -> Int[Array, " users"]:
    """Counts the neighbours of each user, of whom there are `users`."""
    if is_dense(graph):
        return graph.sum(axis=1, dtype=jnp.int32)
    return jnp.zeros(users, jnp.int32).at[graph.receivers].add(1)


def gather(graph: Graph, values: Float[Array, "users features"]) -> Float[Array, "users features"]:
    """Sums `values` over each user's neighbours, and divides by the mean number of neighbours.

    So a user with twice as many neighbours gathers twice as much. Both kinds of graph give the same numbers.
    """
    if is_dense(graph):
        # A column of ones counts neighbours. A product of numbers: XLA is slow at the conversion of bool.
        sums = jnp.where(graph, 1.0, 0.0) @ jnp.append(values, jnp.ones_like(values[:, :1]), axis=1)
        return sums[:, :-1] / jnp.maximum(sums[:, -1].mean(), 1)
    sums = jnp.zeros_like(values).at[graph.receivers].add(values[graph.senders])
    return sums / jnp.maximum(degrees(graph, values.shape[0]).mean(), 1)


def attend(
    graph: Graph,
    sent: Float[Array, "users heads width"],
    sender: Float[Array, "users heads"],
    receiver: Float[Array, "users heads"],
) -> Float[Array, "users heads width"]:
    """Sums the values that each user's neighbours and itself send, weighted by attention.

    Velickovic et al. 2018, "Graph Attention Networks", Eqs. 2 to 4: the weight of j for i is the softmax over j of
    LeakyReLU(sender_j + receiver_i). Dense: a masked matrix, the faster for small graphs. `GraphsTuple`: `jraph.GAT`,
    whose memory grows with the ties alone. Both give the same numbers, with two exceptions: a user of a dense graph
    gathers 0 if its neighbours and itself stay below `MIN_ATTENTION` of the largest attention in the graph, and GPUs
    round dense products in JAX's default precision.

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
    """Computes `attend` by two products with masks, without an exponential for each pair.

    On either side of its bend the rectifier is linear, and there exp(LeakyReLU(a + b)) = exp(slope a) exp(slope b) is a
    product of one factor of the sender and one of the receiver. All is relative to the largest logit that each receiver
    would have if it were tied to all; a receiver whose neighbours and itself stay below `MIN_ATTENTION` gathers 0.
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
    return sums[..., :-1] / jnp.where(total > MIN_ATTENTION, total, 1)

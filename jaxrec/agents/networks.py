"""Networks that recommend: each maps (carry, observation) to (carry, logits of the actions, value of the state).

A network is a flax module for one observation, hashable by its settings; `vmap` does the rest. `Network` says what PPO
asks of it. What an observation says of actions, such as which are valid, is read in `masks`.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks, graphs
from jaxrec.agents import masks
from jaxrec.agents.products import Dense
from jaxrec.environment import Environment
from jaxrec.spaces import field_of, flatten

if TYPE_CHECKING:

    class Network(Protocol):
        """What PPO asks of a network."""

        is_recurrent: ClassVar[bool]  # whether the carry holds anything

        def initialize_carry(self) -> PyTree:
            """Gives the carry at the start of an episode; () without one."""

        def init(self, *args: PyTree, **kwargs: PyTree) -> PyTree:
            """Gives network_params for (key, carry, obs)."""

        def apply(self, *args: PyTree, **kwargs: PyTree) -> PyTree:
            """Gives (carry, float[actions] logits, float[] value) for (network_params, carry, obs)."""

else:
    Network = Any  # `check_network` says what is wrong with another value


class MLP(checks.KnownKeywords, nn.Module):
    """Two multi-layer perceptrons, of policy and value, on the flattened observation.

    Attributes:
        num_actions: of the environment; None for an agent to take them from there.
        hidden: widths of the hidden layers.
        activation: between them.
    """

    num_actions: int | None = None
    hidden: tuple[int, ...] = (64, 64)
    activation: Callable[[Array], Array] = nn.tanh
    is_recurrent: ClassVar[bool] = False

    def initialize_carry(self) -> tuple[()]:
        """None."""
        return ()

    @nn.compact
    def __call__(self, carry: PyTree, obs: PyTree) -> tuple[PyTree, Array, Array]:
        """Maps (carry, observation) to (carry, logits, value)."""
        x = flatten(obs)
        logits = _logits(self.num_actions)(_layers(x, self.hidden, self.activation))
        value = _head(1, 1.0)(_layers(x, self.hidden, self.activation))
        return carry, logits, value[0]


class LSTM(checks.KnownKeywords, nn.Module):
    """A long short-term memory on the flattened observation, with a head for the policy and one for the value.

    Hochreiter & Schmidhuber 1997, "Long short-term memory".

    Attributes:
        num_actions: of the environment; None for an agent to take them from there.
        width: of the memory, and of the layer before it.
    """

    num_actions: int | None = None
    width: int = 64
    is_recurrent: ClassVar[bool] = True

    def initialize_carry(self) -> tuple[Array, Array]:
        """(cell, output), float[width] each: zeros."""
        return jnp.zeros(self.width), jnp.zeros(self.width)

    @nn.compact
    def __call__(self, carry: PyTree, obs: PyTree) -> tuple[PyTree, Array, Array]:
        """Maps (carry, observation) to (carry, logits, value)."""
        x = _layers(flatten(obs), (self.width,), nn.tanh)
        # flax's default is orthogonal: a QR decomposition, which in jaxlib 0.10 waits for ever for the threads that it
        # runs on itself, where several are batched by `vmap` on as many cores.
        recurrent = nn.initializers.lecun_normal()
        carry, out = nn.OptimizedLSTMCell(self.width, recurrent_kernel_init=recurrent)(carry, x)
        return carry, _logits(self.num_actions)(out), _head(1, 1.0)(out)[0]


class NodeMLP(checks.KnownKeywords, nn.Module):
    """Embeds each user by its own features alone.

    Attributes:
        hidden: widths of the layers.
    """

    hidden: tuple[int, ...] = (16, 16)

    @nn.compact
    def __call__(self, nodes: Array, graph: graphs.Graph) -> Array:
        """float[users, width]."""
        return _layers(nodes, self.hidden, nn.tanh)


class Neighbourhood(checks.KnownKeywords, nn.Module):
    """Embeds each user by its own features and the sum of its neighbours', one layer.

    Hamilton et al. 2017, "Inductive Representation Learning on Large Graphs", Algorithm 1, with sums for its means: how
    many neighbours of a kind there are, not only their share.

    Attributes:
        width: of the layer.
    """

    width: int = 32

    @nn.compact
    def __call__(self, nodes: Array, graph: graphs.Graph) -> Array:
        """float[users, width]."""
        return _layers(jnp.concatenate([nodes, graphs.gather(graph, nodes)], axis=1), (self.width,), nn.tanh)


class GAT(checks.KnownKeywords, nn.Module):
    """Embeds each user by graph attention over its neighbours and itself (Velickovic et al. 2018).

    Attributes:
        layers: attention layers.
        heads: of each.
        width: of each head.
        residual: each layer adds a linear map of the user's own embedding. The paper has none.
    """

    layers: int = 2
    heads: int = 2
    width: int = 8
    residual: bool = True

    @nn.compact
    def __call__(self, nodes: Array, graph: graphs.Graph) -> Array:
        """float[users, heads * width]."""
        for _ in range(self.layers):
            gathered = _Attention(self.heads, self.width)(nodes, graph)
            nodes = nn.tanh(gathered + Dense(self.heads * self.width)(nodes) if self.residual else gathered)
        return nodes


class _Attention(nn.Module):
    """One layer of graph attention, its heads concatenated."""

    heads: int
    width: int

    @nn.compact
    def __call__(self, nodes: Array, graph: graphs.Graph) -> Array:
        sent = Dense(self.heads * self.width)(nodes).reshape(-1, self.heads, self.width)
        initial = nn.initializers.lecun_normal()
        a = self.param("sender", initial, (self.heads, self.width))
        b = self.param("receiver", initial, (self.heads, self.width))
        gathered = graphs.attend(graph, sent, (sent * a).sum(axis=-1), (sent * b).sum(axis=-1))
        return gathered.reshape(nodes.shape[0], -1)


class Ranking(checks.KnownKeywords, nn.Module):
    """Scores every user as the recommendation to the focused one.

    Carvalho, "Modelling the Recommender Alignment Problem", section 4.1 and Figure 8: score_i = S(h_g, h_f, h_i), with
    h_i the embedding of user i, h_f that of the focused user, h_g of the whole graph. The observation has fields
    `nodes`, `focused` and `graph`. Renaming users renames scores, and one set of weights serves societies of any size.

    The value, V(h_g, h_f), has an embedding of its own: it sees who is tied to whom also where the score does not.

    Attributes:
        embed: `NodeMLP`, `Neighbourhood` or `GAT`, for the score.
        width: of the hidden layers of score and value.
        pooling: h_g is the "mean" of the h_i, which transfers between sizes, or their "sum", as in the paper.
        value_embed: for the value; None for a value of 0, where a critic gives values.
    """

    embed: nn.Module
    width: int = 16
    pooling: Literal["mean", "sum"] = "mean"
    value_embed: nn.Module | None = Neighbourhood()
    is_recurrent: ClassVar[bool] = False

    def __post_init__(self) -> None:
        checks.lookup(dict.fromkeys(("mean", "sum")), self.pooling, "pooling")
        super().__post_init__()

    def initialize_carry(self) -> tuple[()]:
        """None."""
        return ()

    @nn.compact
    def __call__(self, carry: PyTree, obs: PyTree) -> tuple[PyTree, Array, Array]:
        """Maps (carry, observation) to (carry, logits, value)."""
        each, context = self._embedded(self.embed, obs)
        # A layer on the three concatenated, of which two are the same for all users.
        hidden = nn.tanh(Dense(self.width)(each) + Dense(self.width)(context))
        score = _head(1, 0.01)(hidden)[:, 0]
        if self.value_embed is None:
            return carry, score, jnp.zeros(())
        _, context = self._embedded(self.value_embed, obs)
        value = _head(1, 1.0)(_layers(context, (self.width,), nn.tanh))
        return carry, score, value[0]

    def _embedded(self, embed: nn.Module, obs: PyTree) -> tuple[Array, Array]:
        """h_i, float[users, width], and (h_g, h_f), float[2 width]."""
        each = embed(field_of(obs, "nodes"), field_of(obs, "graph"))
        whole = each.mean(axis=0) if self.pooling == "mean" else each.sum(axis=0)
        return each, jnp.concatenate([whole, each[field_of(obs, "focused")]])


def for_actions(network: Network, env: Environment) -> Network:
    """Gives a network that was not told its number of actions that of `env`; another one as it is."""
    if isinstance(network, nn.Module) and getattr(network, "num_actions", 0) is None:
        return network.clone(num_actions=env.num_actions)
    return network


def check_network(network: Network, env: Environment) -> None:
    """Raises InputError unless `network` takes the observations of `env` and has a logit for each of its actions.

    Also where `action_mask` or `requested` of the observation is not what agents read.
    """
    if isinstance(network, type):
        raise checks.InputError(f"network must be a network, got {checks.brief(network)}: call it")
    missing = [name for name in ("is_recurrent", "initialize_carry", "init", "apply") if not hasattr(network, name)]
    if missing:
        raise checks.InputError(f"network must have {', '.join(missing)}, as jaxrec.agents.MLP has; got {network!r}")
    try:
        hash(network)
    except TypeError:  # with a list among its settings, which `jit` takes
        _check_shapes.__wrapped__(network, env)
        return
    _check_shapes(network, env)


@lru_cache(maxsize=64)  # agents are checked wherever their PyTrees are built anew, and this takes a tenth of a second
def _check_shapes(network: Network, env: Environment) -> None:
    """Traces the network on an observation."""
    key, params = jax.random.key(0), env.default_params
    obs, _ = jax.eval_shape(env.reset_env, key, params)
    carry = jax.eval_shape(network.initialize_carry)
    try:
        network_params = jax.eval_shape(network.init, key, carry, obs)
        _, logits, value = jax.eval_shape(network.apply, network_params, carry, obs)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise checks.InputError(
            f"network {type(network).__name__} does not take what {env.name} observes: {error}"
        ) from error
    if (logits.shape, value.shape) != ((env.num_actions,), ()):
        raise checks.InputError(
            f"network must give logits of shape ({env.num_actions},) and a value of shape () in {env.name}, "
            f"got {logits.shape} and {value.shape}"
        )
    masks.check(obs, logits.shape, env.name)


def _layers(x: Array, widths: tuple[int, ...], activation: Callable[[Array], Array]) -> Array:
    """Hidden layers; called inside a compact module."""
    for width in widths:
        x = activation(Dense(width)(x))
    return x


def _logits(num_actions: int | None) -> nn.Dense:
    """A last layer of one output an action, nearly 0 at first."""
    if num_actions is None:
        raise checks.InputError("num_actions must be given where no agent takes it from an environment, got None")
    return _head(num_actions, 0.01)


def _head(width: int, scale: float) -> nn.Dense:
    """A last layer whose outputs are of the order of `scale` at first."""
    return Dense(width, kernel_init=nn.initializers.variance_scaling(scale**2, "fan_in", "normal"))

"""A value fitted by least squares: linear in features of the state, solved for anew in every batch.

Where what a policy changes is a small part of what decides returns, gradient descent on a value network learns that
part last, and the policy gradient waits for it. Features and their least squares give it in the first batch.
"""

from collections.abc import Callable
from typing import Any, ClassVar, no_type_check

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Float, PyTree

from jaxrec import checks, vectorized
from jaxrec.agents import on_policy
from jaxrec.agents.on_policy import PPOState, Transition
from jaxrec.environment import Environment
from jaxrec.utilities import Leaf

EXACT = jax.lax.Precision.HIGHEST  # on GPUs float32 products are otherwise rounded to ten bits: too few to be solved


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class Linear(struct.PyTreeNode):
    """A linear function of standardised features.

    Attributes:
        mean, scale: float[features], of the features.
        weights: float[features].
        constant: float[].
    """

    mean: Float[Array, "*batch features"]
    scale: Float[Array, "*batch features"]
    weights: Float[Array, "*batch features"]
    constant: Float[Array, "*batch"]

    def __call__(self, features: Float[Array, "*batch features"]) -> Float[Array, "*batch"]:
        """Values."""
        return self.constant + jnp.matmul((features - self.mean) / self.scale, self.weights, precision=EXACT)


class NetworkValue:
    """The value that the network itself gives: in the place of `LeastSquares`."""

    is_learned_by_gradients = True

    def init(self, obs: PyTree, state: PyTree) -> None:
        """It keeps no weights of its own."""

    def features_of(self, obs: PyTree, env_state: PyTree) -> None:
        """It reads no features."""

    def final(self, carry: PyTree, step: vectorized.Step) -> tuple[PyTree, PyTree]:
        """What the value after a step is computed from: (carry, observation)."""
        return carry, step.next_obs

    def targets(self, agent: PyTree, state: PPOState, steps: Transition) -> tuple[None, Array, Array]:
        """(None, float[num_steps, num_envs] values when the actions were chosen, and advantages by them).

        Args:
            agent: PPO; its network and discounts are read.
            state: after the steps.
            steps: as collected.
        """
        carry = on_policy.reset_carry(agent.network, state.carry, state.is_first)
        last = jax.vmap(agent.network.apply, in_axes=(None, 0, 0))(state.network_params, carry, state.obs)[2]
        ends = None
        if steps.final is not None:
            ends = on_policy.final_values(agent.network, state.network_params, steps.final, steps.truncated)
        settings = agent.reward_scale, agent.gamma, agent.gae_lambda
        return None, steps.value, on_policy.advantages(steps, steps.value, last, ends, *settings)


class LeastSquares(checks.KnownKeywords, struct.PyTreeNode):
    """The value of a policy by ridge regression of returns on features.

    Attributes:
        features: (obs, state of the environment) -> float[features]. It may look at what no recommender observes:
            only learning needs values (Pinto et al. 2018, "Asymmetric Actor Critic for Image-Based Robot Learning").
        ridge: (leaf) penalty on the squared weights of standardised features, per sample.
        td_lambda: (leaf) lambda of the returns: 1 for those of whole episodes, as far as the batch reaches.
    """

    is_learned_by_gradients: ClassVar = False

    features: Callable[[Any, Any], Array] = struct.field(pytree_node=False)
    ridge: Leaf | float = 1e-5
    td_lambda: Leaf | float = 1.0

    def check(self) -> None:
        """Raises InputError for a concrete setting out of range: float32 hides a smaller ridge."""
        checks.within("critic.ridge", self.ridge, 1e-6, checks.LARGEST)
        checks.within("critic.td_lambda", self.td_lambda, 0.0, 1.0)

    def init(self, obs: PyTree, state: PyTree) -> Linear:
        """Zero for every state."""
        count = jax.eval_shape(self.features, obs, state).shape[0]
        return Linear(jnp.zeros(count), jnp.ones(count), jnp.zeros(count), jnp.zeros(()))

    def features_of(self, obs: PyTree, env_state: PyTree) -> Array:
        """float[num_envs, features] where each environment is."""
        return jax.vmap(self.features)(obs, env_state)

    def final(self, carry: PyTree, step: vectorized.Step) -> Array:
        """What the value after a step is computed from: float[num_envs, features]."""
        return self.features_of(step.next_obs, step.next_state)

    def targets(self, agent: PyTree, state: PPOState, steps: Transition) -> tuple[Linear, Array, Array]:
        """The critic fitted to the returns of the batch, float[num_steps, num_envs] values by it, and advantages.

        Args:
            agent: PPO; its discounts are read.
            state: after the steps, with the critic of the batch before.
            steps: as collected.
        """
        last = self.features_of(state.obs, state.env_state)

        def judged(critic: Linear, gae_lambda: Array | float) -> tuple[Array, Array]:
            values, ends = critic(steps.features), None if steps.final is None else critic(steps.final)
            settings = agent.reward_scale, agent.gamma, gae_lambda
            return values, on_policy.advantages(steps, values, critic(last), ends, *settings)

        values, advantage = judged(state.critic, self.td_lambda)
        critic = self.fit(steps.features, values + advantage)
        return critic, *judged(critic, agent.gae_lambda)

    def fit(self, features: Float[Array, "*batch features"], returns: Float[Array, "*batch"]) -> Linear:
        """The value that is nearest to `returns`."""
        features = jnp.asarray(features.reshape(-1, features.shape[-1]), float)  # not of the observation's kind
        returns = jnp.asarray(returns.reshape(-1), float)
        mean, constant = features.mean(axis=0), returns.mean()
        varies = features.std(axis=0) > 1e-6 * (1 + jnp.abs(mean))  # a constant feature gets weight 0
        scale = jnp.where(varies, features.std(axis=0), 1)
        standard = jnp.where(varies, (features - mean) / scale, 0)
        covariance = jnp.matmul(standard.T, standard, precision=EXACT) / standard.shape[0]
        with_returns = jnp.matmul(standard.T, returns - constant, precision=EXACT) / standard.shape[0]
        ridge = self.ridge * jnp.eye(features.shape[1])
        return Linear(mean, scale, solved(covariance + ridge, with_returns), constant)


def check_critic(critic: LeastSquares, env: Environment) -> None:
    """Raises InputError unless `critic` is one, its settings are in range, and it can look at `env`."""
    if not isinstance(critic, LeastSquares):
        raise checks.InputError(f"critic must be a LeastSquares or None, got {critic!r}")
    critic.check()
    seen = jax.eval_shape(env.reset_env, jax.random.key(0), env.default_params)
    try:
        shape = jax.eval_shape(critic.features, *seen).shape
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise checks.InputError(
            f"critic.features does not take an observation and state of {env.name}: {error}"
        ) from error
    if len(shape) != 1:
        raise checks.InputError(f"critic.features must give one axis of features in {env.name}, got shape {shape}")


def solved(matrix: Float[Array, "n n"], right: Float[Array, " n"]) -> Float[Array, " n"]:
    """The solution of `matrix` x = `right`, the matrix symmetric and positive definite, by elimination.

    Not by LAPACK: in jaxlib 0.10 its batched routines may wait for ever for threads; see `networks.LSTM`.
    """

    def eliminate(i: Array | int, rows: Array) -> Array:
        pivot = rows[i] / rows[i, i]
        return (rows - rows[:, i, None] * pivot).at[i].set(pivot)

    return jax.lax.fori_loop(0, right.shape[0], eliminate, jnp.concatenate([matrix, right[:, None]], axis=1))[:, -1]

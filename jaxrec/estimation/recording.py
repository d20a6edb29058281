"""Logs of any recommender in any society whose actions are discrete."""

from typing import Any, overload

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Float, PyTree

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.envs.learned.deployed import Deployed
from jaxrec.envs.preference.env import PreferenceShift
from jaxrec.estimation.logs import PADDING, Logs
from jaxrec.inputs import check_env, check_policy
from jaxrec.observations import packed
from jaxrec.parameters import canonical
from jaxrec.policy import Policy, Stochastic
from jaxrec.rollouts import rollout
from jaxrec.runtime.jit_by_class import jit
from jaxrec.spaces import Discrete
from jaxrec.utilities import Leaf

SlateSociety = PreferenceShift | Deployed


class Trajectories(struct.PyTreeNode):
    """The true preferences of the users of `Logs`: for evaluation alone, no learner sees them.

    Attributes:
        preferences: int32[users, steps + 1], the bins of u_0 ... u_T.
        natural: int32[users, steps + 1], the bins of the same users under uniform slates, on the same draws.
    """

    preferences: Leaf
    natural: Leaf


@overload
def record(
    env: SlateSociety,
    policy: Policy,
    key: Array,
    num_users: int,
    params: PyTree = None,
    name: str = "policy",
    max_steps: int | None = None,
    observations: bool = True,
) -> tuple[Logs, Trajectories]: ...
@overload
def record(
    env: Environment,
    policy: Policy,
    key: Array,
    num_users: int,
    params: PyTree = None,
    name: str = "policy",
    max_steps: int | None = None,
    observations: bool = True,
) -> tuple[Logs, Trajectories | None]: ...
def record(
    env: Environment,
    policy: Policy,
    key: Array,
    num_users: int,
    params: PyTree = None,
    name: str = "policy",
    max_steps: int | None = None,
    observations: bool = True,
) -> tuple[Logs, Trajectories | None]:
    """Logs one episode of each user under any recommender; in a society of many users, each society is one "user".

    Args:
        env: the users; its actions are discrete.
        policy: the recommender. A `Stochastic` one gives propensities.
        key: a typed key.
        num_users: trajectories, at least 1.
        params: of the environment; its defaults if None.
        name: of the policy in the logs.
        max_steps: the length at which an episode is cut off; needed where episodes differ in length.
        observations: whether to log what the recommender observed, which may be large.

    Returns:
        (logs, true preferences): slates and choices in `PreferenceShift` and `Deployed`, and elsewhere no preferences.

    Raises:
        InputError: for zero users, parameters out of range, a policy that does not follow the protocol, actions that
            are not discrete, or no `max_steps` where episodes differ in length.
    """
    check_env(env)
    checks.positive("num_users", num_users)
    check_policy(policy)
    params = env.resolve(params)
    if not isinstance(env.action_space(params), Discrete):
        raise checks.InputError(f"env must have discrete actions, got those of {env.name}")
    steps = env.fixed_horizon if max_steps is None else max_steps
    if steps is None:
        raise checks.InputError(f"max_steps must be given for {env.name}, whose episodes differ in length")
    checks.positive("max_steps", steps, checks.MOST_STEPS)
    logs, truth = _recorded(env, policy, key, num_users, canonical(params), steps, observations)
    return logs.replace(policies=(name,)), truth


def recorded(
    env: Environment,
    policy: Policy,
    key: Array,
    num_users: int,
    params: PyTree,
    steps: int,
    observations: bool = True,
) -> tuple[Logs, Trajectories | None]:
    """Logs one episode of each user; jittable, without checks, and without the name of the policy.

    Args:
        env: the users.
        policy: the recommender.
        key: a typed key.
        num_users: trajectories.
        params: of the environment.
        steps: of the longest episode.
        observations: whether to log what the recommender observed.

    Returns:
        (logs, true preferences).
    """
    played: Any = rollout(env, policy, key, num_users, steps, params, trajectory=True).trajectory
    ended = (jnp.cumsum(played.done, axis=0) - played.done).T > 0
    keys = jax.random.split(jax.random.split(key, 3)[1], num_users)  # those of the rollout's own carries
    parts = decided(policy, keys, played.obs, played.action, played.reward, observations)
    truth = None
    if isinstance(env, SlateSociety):
        parts |= {"slates": env.slates[played.action.T].astype(jnp.float32), "choices": played.next_state.choice.T}
        truth = Trajectories(_throughout(played, "preference"), _throughout(played, "natural"))
    padded = {
        name: jnp.where(
            ended.reshape(*ended.shape, *[1] * (part.ndim - 2)), jnp.asarray(PADDING[name], part.dtype), part
        )
        for name, part in parts.items()
    }
    return Logs(valid=~ended, policy=jnp.zeros(num_users, jnp.int32), policies=(), **padded), truth


_recorded = jit(static_argnames=("env", "num_users", "steps", "observations"))(recorded)


def decided(
    policy: Policy,
    keys: Array,
    obs: PyTree,
    action: Array,
    reward: Array,
    observations: bool = True,
    propensities: bool = True,
) -> dict[str, Array]:
    """Gives what logs say of a recommender's steps, users first.

    Args:
        policy: the recommender; a `Stochastic` one gives propensities.
        keys: typed keys [users], of its first carries.
        obs: leaves [steps, users, ...].
        action: int[steps, users].
        reward: float[steps, users].
        observations: whether to give them too.
        propensities: whether to give them, if the policy has any.

    Returns:
        Part of `Logs` -> [users, steps, ...].
    """
    parts = {"actions": action.T.astype(jnp.int32), "rewards": reward.T.astype(jnp.float32)}
    if propensities and isinstance(policy, Stochastic):
        chances = jax.vmap(replay, in_axes=(None, 1, 0))(policy, obs, keys)
        chosen = jnp.take_along_axis(chances, parts["actions"][..., None], axis=-1)[..., 0]
        parts["propensities"] = chosen.astype(jnp.float32)
    if observations:
        parts["observations"] = jax.vmap(jax.vmap(packed))(obs).swapaxes(0, 1)
    return parts


def replay(policy: Stochastic, obs: PyTree, key: Array) -> Float[Array, "steps actions"]:
    """Gives the probability of each action at every step of one trajectory, whoever acted in it.

    Args:
        policy: which might have acted.
        obs: of one trajectory, with a leading axis of steps on every leaf.
        key: a typed key, for the policy's first carry.

    Returns:
        The probabilities.
    """

    def step(carry: PyTree, obs: PyTree) -> tuple[PyTree, Array]:
        chances, carry = policy.probabilities(carry, obs)
        return carry, chances

    return jax.lax.scan(step, policy.init(key), obs)[1]


def _throughout(played: Any, name: str) -> Array:
    """[users, steps + 1]: a part of the state from the first step to after the last."""
    before, after = getattr(played.state, name), getattr(played.next_state, name)
    return jnp.concatenate([before, after[-1:]]).T

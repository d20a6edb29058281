"""Many environments stepped in lockstep: what rollouts and agents drive.

Where every episode has the same length the whole batch ends together, and one scalar condition resets it: no reset is
computed in between. Elsewhere each environment resets itself, as `Environment.step` does. Where a reset is costly,
rollouts draw start states in advance and use each of them once (`Pool`), so that environments stay independent;
agents, which state no interval over their episodes, restart from a reset_pool of start states that they draw once.

Where several devices share the environments (see `devices`), each has its part of them at every step.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxrec.environment import Environment
from jaxrec.runtime.sharding import shard_envs


class Step(struct.PyTreeNode):
    """One transition of each environment; every leaf has a leading batch axis.

    Attributes:
        state, obs: where the action was chosen.
        action: what was recommended.
        reward: float.
        next_state, next_obs: where it led, before any reset: at the end of an episode the true final ones.
        terminated: bool, the episode ended by the rules of the game.
        truncated: bool, the episode was cut off from outside.
    """

    state: Any
    obs: Any
    action: Any
    reward: Any
    next_state: Any
    next_obs: Any
    terminated: Any
    truncated: Any

    @property
    def done(self) -> Array:
        """bool: the episode ended, either way."""
        return self.terminated | self.truncated


class Pool(struct.PyTreeNode):
    """Start states drawn in advance, as many as there are environments; each is used once.

    Attributes:
        starts: (observations, states); leaves [num_envs, ...].
        used: int32[], how many of them are used, the first ones.
    """

    starts: Any
    used: Any


def reset(env: Environment, key: Array, params: Any, num_envs: int) -> tuple[Any, Any]:
    """(observations, states) of `num_envs` environments at the start of an episode."""
    return shard_envs(jax.vmap(env.reset_env, in_axes=(0, None))(jax.random.split(key, num_envs), params))


def step(env: Environment, key: Array, state: Any, obs: Any, action: Any, params: Any) -> Step:
    """One step of every environment, without resets. In place of actions outside their space it has those taken."""
    action = jax.vmap(env.legal_action, in_axes=(0, None))(action, params)
    keys = jax.random.split(key, jax.tree.leaves(state)[0].shape[0])
    next_obs, next_state, reward, terminated, _ = jax.vmap(env.step_env, in_axes=(0, 0, 0, None))(
        keys, state, action, params
    )
    truncated = jax.vmap(env.is_truncated, in_axes=(0, None))(next_state, params)
    return Step(state, obs, action, reward, next_state, next_obs, terminated, truncated)


def reset_with_pool(env: Environment, key: Array, params: Any, num_envs: int) -> tuple[Any, Any, Any]:
    """(observations, states, reset_pool): as `reset`, and where a reset is costly other such pairs to restart from.

    The reset_pool holds `env.num_start_states` of them; it is None where there are none.
    """
    spare = env.num_start_states or 0
    starts = reset(env, key, params, num_envs + spare)
    obs, state = shard_envs(jax.tree.map(lambda leaf: leaf[:num_envs], starts))
    return obs, state, jax.tree.map(lambda leaf: leaf[num_envs:], starts) if spare else None


def auto_reset(
    env: Environment, key: Array, step: Step, params: Any, time: Array, reset_pool: tuple[Any, Any] | None = None
) -> tuple[Any, Any]:
    """(observations, states) to go on from after `step`: fresh ones where an episode ended.

    `time` (int32[]) is how many steps the batch has taken since its first reset, this one included. It is not batched
    under a `vmap` over seeds, so that the condition on it stays a branch. `reset_pool` is what `reset_with_pool`
    gave: each environment restarts from one of its states, drawn uniformly.
    """
    num_envs = step.terminated.shape[0]
    if env.fixed_horizon is not None:
        return jax.lax.cond(
            time % env.fixed_horizon == 0,
            lambda: reset(env, key, params, num_envs),
            lambda: shard_envs((step.next_obs, step.next_state)),
        )
    if reset_pool is None:
        fresh = reset(env, key, params, num_envs)
    else:
        drawn = jax.random.randint(key, (num_envs,), 0, jax.tree.leaves(reset_pool)[0].shape[0])
        fresh = jax.tree.map(lambda leaf: leaf[drawn], reset_pool)
    return shard_envs(where_done(step.done, fresh, (step.next_obs, step.next_state)))


def empty_pool(starts: tuple[Any, Any]) -> Pool:
    """A pool in which nothing is drawn yet, for environments that began at `starts`: the first episode to end fills it.

    It holds copies of `starts`, all of them used.
    """
    return Pool(starts, jnp.full((), jax.tree.leaves(starts)[0].shape[0], jnp.int32))


def auto_reset_from_pool(
    env: Environment, key: Array, step: Step, params: Any, pool: Pool
) -> tuple[tuple[Any, Any], Pool]:
    """((observations, states), pool) to go on with after `step`: a start of its own where an episode ended.

    The pool is drawn anew where fewer are left than episodes ended. A loop, not a condition: under `vmap` it runs only
    while one of the batch needs it, where a condition would draw at every step.
    """
    num_envs = step.done.shape[0]
    ended = step.done.sum(dtype=jnp.int32)

    def draw(pool: Pool) -> Pool:
        return Pool(reset(env, key, params, num_envs), jnp.zeros_like(pool.used))

    pool = jax.lax.while_loop(lambda pool: pool.used + ended > num_envs, draw, pool)
    place = jnp.minimum(pool.used + jnp.cumsum(step.done, dtype=jnp.int32) - 1, num_envs - 1)
    fresh = jax.tree.map(lambda leaf: leaf[place], pool.starts)
    going_on = shard_envs(where_done(step.done, fresh, (step.next_obs, step.next_state)))
    return going_on, pool.replace(used=pool.used + ended)


def where_done(done: Array, fresh: Any, old: Any) -> Any:
    """`fresh` for the environments (bool[num_envs]) whose episode ended, else `old`."""
    return jax.vmap(lambda done, *trees: jax.tree.map(lambda n, o: jnp.where(done, n, o), *trees))(done, fresh, old)

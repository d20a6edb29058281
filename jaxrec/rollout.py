"""Roll out a policy in many environments at once, reducing metrics on the way."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxrec import checks, lockstep
from jaxrec.environment import Environment, canonical
from jaxrec.jitted import jit
from jaxrec.policy import Policy, check_policy


class Trajectory(struct.PyTreeNode):
    """What happened at each step; every leaf is [num_steps, num_envs, ...] (`trajectory[:, i]` is one environment).

    Attributes:
        state, obs, action, reward: where the recommender acted, what it did and what that paid.
        next_state: where that led (before any reset).
        done: bool, whether the episode ended with this step.
    """

    state: Any
    obs: Any
    action: Any
    reward: Any
    next_state: Any
    done: Any

    def __getitem__(self, index: Any) -> "Trajectory":
        return jax.tree.map(lambda leaf: leaf[index], self)


class Rollout(struct.PyTreeNode):
    """Metrics of a rollout, and the whole of it where that was asked for.

    Attributes:
        per_step: metric -> float[num_steps], the mean over environments at each step.
        per_env: metric -> float[num_envs], the mean over steps in each environment.
        episode_return: float[num_envs], mean return of the episodes that ended (0 where none did).
        episodes: int32[num_envs], how many ended.
        trajectory: a `Trajectory` of every step, or None.
    """

    per_step: dict[str, Array]
    per_env: dict[str, Array]
    episode_return: Array
    episodes: Array
    trajectory: Any


def rollout(
    env: Environment,
    policy: Policy,
    key: Array,
    num_envs: int,
    num_steps: int,
    params: Any = None,
    trajectory: bool = False,
) -> Rollout:
    """Runs `policy` in `num_envs` copies of `env` for `num_steps` steps; episodes restart as they end.

    Jitted: a second call with the same environment and shapes does not recompile, whatever the parameters of the
    environment and of the policy. Call it under `vmap` to sweep over either. Within
    `jax.set_mesh(jaxrec.devices.mesh(1, envs=8))` eight devices share the environments, with the same random draws.

    Args:
        env: the society.
        policy: a PyTree with `init` and `act`; see `Policy`.
        key: a typed key. The same key gives the same random draws whatever the parameters: rollouts that differ in
            `influence` alone are same-noise twins.
        num_envs: environments in parallel, at least 1.
        num_steps: steps of each, at least 1.
        params: run-time values; the environment's defaults if None.
        trajectory: also return every step: memory grows with num_steps * num_envs.

    Returns:
        Metrics: those of `env.metrics`, the utilities (`user` is the mean over users) and `reward`.

    Raises:
        InputError: for zero environments or steps, or concrete parameters out of range.
        InputError: for a policy that does not follow the protocol.
    """
    checks.positive("num_envs", num_envs)
    checks.positive("num_steps", num_steps)
    check_policy(policy)
    params = env.default_params if params is None else params
    env.check_params(params)
    return _rollout(env, policy, key, num_envs, num_steps, canonical(params), trajectory)


@jit(static_argnames=("env", "num_envs", "num_steps", "trajectory"))
def _rollout(
    env: Environment, policy: Any, key: Array, num_envs: int, num_steps: int, params: Any, trajectory: bool
) -> Rollout:
    def advance(carry, time, key):
        state, obs, memory = carry
        key_act, key_step, key_reset, key_memory = jax.random.split(key, 4)
        action, memory = jax.vmap(policy.act)(memory, obs, jax.random.split(key_act, num_envs))
        step = lockstep.step(env, key_step, state, obs, action, params)
        obs, state = lockstep.restart(env, key_reset, step, params, time, bank)
        memory = lockstep.where_done(step.done, jax.vmap(policy.init)(jax.random.split(key_memory, num_envs)), memory)
        return (state, obs, memory), step, jax.vmap(partial(_measure, env, params))(step)

    def body(carry, inputs):
        carry, sums, returns = carry
        carry, step, measured = advance(carry, *inputs)
        sums = jax.tree.map(jnp.add, sums, measured)
        kept = Trajectory(step.state, step.obs, step.action, step.reward, step.next_state, step.done)
        per_step = jax.tree.map(jnp.mean, measured)
        return (carry, sums, returns.add(step)), (per_step, kept if trajectory else None)

    key_reset, key_memory, key_steps = jax.random.split(key, 3)
    obs, state, bank = lockstep.reset_with_bank(env, key_reset, params, num_envs)
    carry = (state, obs, jax.vmap(policy.init)(jax.random.split(key_memory, num_envs)))
    inputs = (1 + jnp.arange(num_steps), jax.random.split(key_steps, num_steps))
    measured = jax.eval_shape(advance, carry, *jax.tree.map(lambda leaf: leaf[0], inputs))[2]
    sums = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), measured)
    (_, sums, returns), (per_step, kept) = jax.lax.scan(body, (carry, sums, _Returns.zeros(num_envs)), inputs)
    return Rollout(
        per_step=per_step,
        per_env=jax.tree.map(lambda total: total / num_steps, sums),
        episode_return=returns.finished / jnp.maximum(returns.episodes, 1),
        episodes=returns.episodes,
        trajectory=kept,
    )


def _measure(env: Environment, params: Any, step: lockstep.Step) -> dict[str, Array]:
    """Every metric of one transition of one environment, as float[]."""
    utilities = env.utilities(step.state, step.action, step.next_state, params)
    measured = env.metrics(step.state, step.action, step.next_state, params) | {
        "reward": step.reward,
        "recommender": utilities.recommender,
        "user": jnp.mean(utilities.user),
        "society": utilities.society,
    }
    return {name: jnp.asarray(value, float) for name, value in measured.items()}


class _Returns(struct.PyTreeNode):
    """Returns of the episodes under way (`running`) and of those that ended (`finished`, a sum)."""

    running: Array
    finished: Array
    episodes: Array

    @classmethod
    def zeros(cls, num_envs: int) -> "_Returns":
        return cls(jnp.zeros(num_envs), jnp.zeros(num_envs), jnp.zeros(num_envs, int))

    def add(self, step: lockstep.Step) -> "_Returns":
        running = self.running + step.reward
        return _Returns(
            running=jnp.where(step.done, 0, running),
            finished=self.finished + jnp.where(step.done, running, 0),
            episodes=self.episodes + step.done,
        )

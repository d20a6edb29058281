"""Rollouts of a policy in many environments at once, whose metrics are reduced step by step."""

from collections.abc import Sequence
from functools import partial
from typing import no_type_check

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks, measures, vectorized
from jaxrec.environment import Environment
from jaxrec.fusion import by_platform
from jaxrec.inputs import check_acts, check_env, check_policy
from jaxrec.parameters import canonical
from jaxrec.policy import Policy
from jaxrec.runtime.jit_by_class import jit
from jaxrec.sums import Sum
from jaxrec.trajectories import Trajectory, further

MAX_ADDED = 64
"""Values added up in float32 before a compensated sum takes them: a relative error of at most 4e-6."""


class Rollout(struct.PyTreeNode):
    """The metrics of a rollout, and on request all its steps.

    Metrics in `env.sparse_metrics` are means over the environments or steps that have them, NaN where none has.

    Attributes:
        per_step: metric -> float[num_steps], the mean over environments at each step.
        per_env: metric -> float[num_envs], the mean over steps in each environment.
        episode_return: float[num_envs], mean return of the episodes that ended; NaN where none did. Where episodes
            differ in length, short ones end more often: `jaxrec.evaluate` plays whole episodes.
        episodes: int32[num_envs], the number of episodes that ended.
        trajectory: a `Trajectory` of every step, or None.
    """

    per_step: dict[str, Array]
    per_env: dict[str, Array]
    episode_return: Array
    episodes: Array
    trajectory: PyTree


@checks.known_keywords
def rollout(
    env: Environment,
    policy: Policy,
    key: Array,
    num_envs: int,
    num_steps: int,
    params: PyTree = None,
    trajectory: bool | Sequence[str] = False,
    metrics: Sequence[str] | None = None,
) -> Rollout:
    """Runs `policy` in `num_envs` copies of `env` for `num_steps` steps; episodes restart as they end.

    Jitted: a second call with the same environment and shapes does not recompile, whatever the parameters of the
    environment and of the policy. Call it under `vmap` to sweep over either. Within
    `jax.set_mesh(jaxrec.runtime.devices.mesh(1, envs=8))` eight devices share the environments, with the same
    random draws.

    Environments are independent of each other, so that an interval over `per_env` is valid.

    Args:
        env: the society.
        policy: a PyTree with `init` and `act`, the protocol `Policy`.
        key: a typed key. The same key gives the same random draws for all parameters: rollouts that differ in
            `influence` alone are same-noise twins.
        num_envs: environments in parallel, at least 1.
        num_steps: steps of each, at least 1.
        params: run-time values; the environment's defaults if None.
        trajectory: whether to return every step too: memory grows with num_steps * num_envs. Names of further fields,
            of "next_obs" and "metrics", return every step with them.
        metrics: names of the measures to take, all if None. Others are not computed, which saves much of the time in
            large societies.

    Returns:
        Measures: the metrics of `env.metrics`, the utilities (`user` is the mean over users) and `reward`, which is
        always among them.

    Raises:
        InputError: for zero environments or steps, or concrete parameters out of range.
        InputError: for a wrong environment, key or parameters, and for a policy that does not follow the protocol,
            does not take the environment's observations, or gives an action of another shape or kind.
        InputError: for a metric that has the name of another measure, and for `metrics` of which one is no measure
            or stands twice; and for a `trajectory` that is neither.
    """
    check_env(env)
    checks.typed_key("key", key)
    checks.positive("num_envs", num_envs, checks.MOST_STEPS)
    checks.positive("num_steps", num_steps, checks.MOST_STEPS)
    check_policy(policy)
    wanted = None if metrics is None else measures.wanted(metrics)
    return _rollout(env, policy, key, num_envs, num_steps, canonical(env.resolve(params)), further(trajectory), wanted)


class _Totals(struct.PyTreeNode):
    """Running sums of a rollout; leaves [num_envs].

    Attributes:
        recent: of the measures, and of 1 where a sparse one is present, over the steps of the current chunk.
        before: a `Sum` of both over the chunks before.
        finished: float, the reward of all episodes that ended: episodes follow each other, so it is the sum of rewards
            up to the last end.
        episodes: int32, the number of episodes that ended.
    """

    recent: PyTree
    before: Sum
    finished: Array
    episodes: Array

    @classmethod
    def zeros(cls, recent: PyTree) -> "_Totals":
        """Gives the sums before the first step."""
        before = Sum.zeros(recent)
        some = before.total[0]["reward"]
        return cls(_together(before.total), before, some, jnp.zeros(some.shape, jnp.int32))

    def add(self, values: PyTree, done: Array) -> "_Totals":
        """Adds one step of every environment."""
        recent = jax.tree.map(jnp.add, self.recent, _together(values))
        paid = self.before.total[0]["reward"] + _apart(recent, values)[0]["reward"]
        return self.replace(recent=recent, finished=jnp.where(done, paid, self.finished), episodes=self.episodes + done)

    def closed(self) -> "_Totals":
        """Moves the sums of a chunk that ended to those before it."""
        return self.replace(
            recent=jax.tree.map(jnp.zeros_like, self.recent),
            before=self.before.add(_apart(self.recent, self.before.total)),
        )


@no_type_check  # of fields at run time: transformations build trees of shapes
class _Playing(struct.PyTreeNode):
    """Environments between two steps; leaves [num_envs, ...] but for the pool.

    Where a reset is costly an episode that ended begins anew with the step that follows, and the first episodes begin
    so too: what draws start states is compiled once.

    Attributes:
        state, memory: of environment and policy.
        pool: start states; None where a reset is not costly, and the following is not needed.
        ended: bool, whether the step before ended the episode.
    """

    state: PyTree
    memory: PyTree
    pool: vectorized.Pool | None = None
    ended: Array | None = None

    def begun(self, reset: vectorized.Reset, policy: Policy, keys: Array) -> "_Playing":
        """Begins the next episode where one ended; of two keys, for start states and for the memories of policies."""
        if self.pool is None or self.ended is None:
            return self
        state, pool = vectorized.begin_from_pool(reset, keys[0], self.ended, self.state, self.pool)
        return self.replace(state=state, pool=pool, memory=_remembered(policy, keys[1], self.ended, self.memory))


def _start(env: Environment, reset: vectorized.Reset, policy: Policy, key: Array, num_envs: int) -> _Playing:
    """Gives the environments before the first step."""
    key_reset, key_memory = key
    obs, state = jax.eval_shape(reset, key_reset)
    check_acts(policy, env, jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), obs))
    memory = jax.vmap(policy.init)(jax.random.split(key_memory, num_envs))
    if env.fixed_horizon is not None or env.num_start_states is None:
        return _Playing(reset(key_reset)[1], memory)
    state = jax.tree.map(lambda leaf: _nothing(leaf, key_reset), state)
    return _Playing(state, memory, vectorized.empty_pool(state), jnp.ones(num_envs, bool))


def _nothing(like: jax.ShapeDtypeStruct, key: Array) -> Array:
    """Gives an array to be written over: zeros, or a key where keys are wanted."""
    if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        return jnp.broadcast_to(key, like.shape)
    return jnp.zeros(like.shape, like.dtype)


def _remembered(policy: Policy, key: Array, ended: Array, memory: PyTree) -> PyTree:
    """Gives policies a new memory where an episode ended."""
    return vectorized.where_done(ended, jax.vmap(policy.init)(jax.random.split(key, ended.shape[0])), memory)


@jit(static_argnames=("env", "num_envs", "num_steps", "trajectory", "metrics"))
def _rollout(
    env: Environment,
    policy: Policy,
    key: Array,
    num_envs: int,
    num_steps: int,
    params: PyTree,
    trajectory: tuple[str, ...] | None,
    metrics: tuple[str, ...] | None,
) -> Rollout:
    keys = jax.random.split(key, 3)
    key_start, key_steps = keys[:2], keys[2]
    params = env.prepare(params)
    reset = jax.jit(lambda key: vectorized.reset(env, key, params, num_envs), inline=True)  # calls share a trace
    playing = _start(env, reset, policy, key_start, num_envs)
    advance = jax.jit(partial(_advance, env, reset, policy, params, metrics), inline=True)

    def body(carry, inputs):
        playing, totals = carry
        playing, step, measured = advance(playing, inputs[1])
        kept = None if trajectory is None else _kept(step, measured, trajectory)
        per_step = by_platform(measured, default=_mean_of_all, cpu=_mean_of_each)
        return (playing, totals.add(measured, step.done)), (per_step, kept)

    def restart(carry, inputs):
        playing, totals = carry
        time, keys = inputs
        _, state = vectorized.begin_together(env, keys[2], (None, playing.state), params, time)
        return playing.replace(state=state), totals

    def chunk(carry, inputs):
        (playing, totals, last), (times, keys) = carry, inputs
        keys = jax.vmap(lambda key: jax.random.split(key, 4))(keys)
        of_steps = times, jnp.concatenate([keys, jnp.concatenate([last[None], keys[:-1, 2:]])], axis=1)
        carry, steps = vectorized.scan(env, body, restart, (playing, totals), of_steps, in_pairs=playing.pool is None)
        return (carry[0], carry[1].closed(), keys[-1, 2:]), steps

    size = next(size for size in range(min(MAX_ADDED, num_steps), 0, -1) if num_steps % size == 0)
    inputs = (1 + jnp.arange(num_steps), jax.random.split(key_steps, num_steps))
    chunks = jax.tree.map(lambda leaf: leaf.reshape(-1, size, *leaf.shape[1:]), inputs)
    measured = jax.eval_shape(advance, playing, jax.random.split(key, 6))[2]
    (_, totals, _), steps = jax.lax.scan(chunk, (playing, _Totals.zeros(measured), key_start), chunks)
    return _result(totals, steps, num_steps)


def _advance(
    env: Environment, reset: vectorized.Reset, policy: Policy, params: PyTree, metrics: tuple[str, ...] | None,
    playing: _Playing, keys: Array,
) -> tuple[_Playing, vectorized.Step, PyTree]:  # fmt: skip
    """Takes one step of every environment: what goes on from there, the step, and its measures.

    Where all episodes end together, the state is the last of an episode. Of six keys the last two are those of the step
    before with which the next episodes begin.
    """
    key_act, key_step, key_reset, key_memory = keys[:4]
    playing = playing.begun(reset, policy, keys[4:])
    state, num_envs = playing.state, jax.tree.leaves(playing.state)[0].shape[0]
    obs = vectorized.observe(env, state, params)
    action, memory = jax.vmap(policy.act)(playing.memory, obs, jax.random.split(key_act, num_envs))
    step = vectorized.step(env, key_step, state, obs, action, params)
    if playing.pool is None:
        _, state = vectorized.auto_reset(env, key_reset, step, params)
        after = playing.replace(state=state, memory=_remembered(policy, key_memory, step.done, memory))
    else:
        after = playing.replace(state=step.next_state, memory=memory, ended=step.done)
    measured = jax.vmap(partial(measures.measure, env, params))(step)
    return after, step, measures.present(env, measured, metrics)


def _kept(step: vectorized.Step, measured: PyTree, names: tuple[str, ...]) -> Trajectory:
    """Gives a step of a trajectory, with the further fields `names`."""
    values, there = measured
    missing = {name: jnp.where(there[name] > 0, 0, jnp.nan) for name in there}
    return Trajectory(
        step.state, step.obs, step.action, step.reward, step.next_state, step.done, step.terminated, step.truncated,
        step.next_obs if "next_obs" in names else None,
        {name: value + missing.get(name, 0) for name, value in values.items()} if "metrics" in names else None,
    )  # fmt: skip


def _together(values: PyTree) -> PyTree:
    """The leaves as rows of one array where that saves kernels, which is not on a CPU."""
    return values if jax.default_backend() == "cpu" else jnp.stack(jax.tree.leaves(values))


def _apart(values: PyTree, like: PyTree) -> PyTree:
    """Inverts `_together`."""
    return jax.tree.unflatten(jax.tree.structure(like), list(values)) if isinstance(values, Array) else values


def _mean_of_each(measured: PyTree) -> Array:
    """Means over environments, float[measures]; one sum after the other, which on a CPU is faster."""
    return jnp.stack([each.mean() for each in jax.tree.leaves(measured)])


def _mean_of_all(measured: PyTree) -> Array:
    """The same in one sum, which on a GPU is two kernels, and not two for each measure."""
    return jnp.stack(jax.tree.leaves(measured)).mean(axis=1)


def _result(totals: _Totals, steps: PyTree, num_steps: int) -> Rollout:
    """Gives means from sums, and the steps of all chunks in a row."""
    per_step, kept = jax.tree.map(lambda leaf: leaf.reshape(num_steps, *leaf.shape[2:]), steps)
    sums, there = totals.before.total
    values, present = jax.tree.unflatten(jax.tree.structure((sums, there)), list(per_step.T))
    return Rollout(
        per_step=measures.means(values, present, 1),
        per_env=measures.means(sums, there, num_steps),
        episode_return=totals.finished / jnp.where(totals.episodes > 0, totals.episodes, jnp.nan),
        episodes=totals.episodes,
        trajectory=kept,
    )

"""Many environments stepped together: rollouts and agents drive them.

Where every episode has the same length, the whole batch ends together, and one scalar condition between loops of steps
resets it (`scan`): no step has one. Elsewhere each environment resets itself, like `Environment.step`. Where a reset is
costly, rollouts draw start states in advance and use each of them once (`Pool`), so that environments stay independent;
agents, which give no interval over their episodes, restart from a reset pool of start states that they draw once.
Where several devices share the environments (`runtime.sharding`), each device has its part of them at every step.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import PyTree

from jaxrec.environment import Environment
from jaxrec.fusion import keys_once, once
from jaxrec.runtime.sharding import shard_envs
from jaxrec.scans import scan_steps, unpack
from jaxrec.utilities import Leaf

Batch = TypeVar("Batch")
Carry = TypeVar("Carry")
Reset = Callable[[Array], tuple[PyTree, PyTree]]  # key -> (observations, states), of every environment


class Step(struct.PyTreeNode):
    """One transition of each environment; every leaf has a leading batch axis.

    Attributes:
        state, obs: those that the action was chosen in.
        action: the legal action that was taken.
        reward: float.
        next_state, next_obs: those after the step, before any reset: at the end of an episode the true final ones.
        terminated: bool, whether the episode ended by the rules of the game.
        truncated: bool, whether a time limit cut the episode off.
    """

    state: PyTree
    obs: PyTree
    action: PyTree
    reward: Leaf
    next_state: PyTree
    next_obs: PyTree
    terminated: Leaf
    truncated: Leaf

    @property
    def done(self) -> Array:
        """Whether the episode ended, either way: bool."""
        return self.terminated | self.truncated


class Pool(struct.PyTreeNode):
    """Start states drawn in advance, as many as there are environments; each is used once.

    Attributes:
        starts: states; leaves [num_envs, ...].
        used: int32[], the number of starts that are used; these come first.
    """

    starts: PyTree
    used: Leaf


def reset(env: Environment, key: Array, params: PyTree, num_envs: int) -> tuple[PyTree, PyTree]:
    """Begins an episode in each environment.

    Args:
        env: the society.
        key: a typed key.
        params: run-time values, the same for all.
        num_envs: the number of environments.

    Returns:
        (observations, states), leaves [num_envs, ...].
    """
    return shard_envs(jax.vmap(env.reset_env, in_axes=(0, None))(keys_once(jax.random.split(key, num_envs)), params))


def observe(env: Environment, state: PyTree, params: PyTree) -> PyTree:
    """Observes each environment; loops that observe where a policy acts compute what it reads of that and no more.

    Args:
        env: the society.
        state: leaves [num_envs, ...].
        params: run-time values, the same for all.

    Returns:
        Observations, leaves [num_envs, ...].
    """
    return shard_envs(jax.vmap(env.observe, in_axes=(0, None))(state, params))


def step(env: Environment, key: Array, state: PyTree, obs: PyTree, action: PyTree, params: PyTree) -> Step:
    """Takes one step of every environment, without resets.

    Args:
        env: the society.
        key: a typed key.
        state: leaves [num_envs, ...].
        obs: of these states.
        action: one for each environment; the nearest legal action replaces one outside the space.
        params: run-time values, the same for all.

    Returns:
        The transitions.
    """
    action = jax.vmap(env.legal_action, in_axes=(0, None))(action, params)
    keys = jax.random.split(key, jax.tree.leaves(state)[0].shape[0])
    step_each = jax.vmap(env.step_env, in_axes=(0, 0, 0, None))
    next_obs, next_state, reward, terminated, _ = step_each(keys, state, action, params)
    truncated = jax.vmap(env.is_truncated, in_axes=(0, None))(next_state, params)
    return Step(state, obs, action, reward, next_state, next_obs, terminated, truncated)


def reset_with_pool(env: Environment, key: Array, params: PyTree, num_envs: int) -> tuple[PyTree, PyTree, PyTree]:
    """Begins an episode in each environment and, where a reset is costly, gives start states to restart from.

    Args:
        env: the society.
        key: a typed key.
        params: run-time values, the same for all.
        num_envs: the number of environments.

    Returns:
        (observations, states, reset pool): `env.num_start_states` states, or None; episodes begin in the first ones.
    """
    spare = env.num_start_states or 0
    starts = reset(env, key, params, max(num_envs, spare))
    first = shard_envs(jax.tree.map(lambda leaf: leaf[:num_envs], starts))
    return *first, jax.tree.map(lambda leaf: leaf[:spare], starts[1]) if spare else None


def scan(
    env: Environment,
    body: Callable[[Carry, PyTree], tuple[Carry, PyTree]],
    restart: Callable[[Carry, PyTree], Carry],
    carry: Carry,
    inputs: PyTree,
    in_pairs: bool = True,
) -> tuple[Carry, PyTree]:
    """Scans over steps, and begins the next episodes between them where all end together.

    Args:
        env: the society.
        body: (carry, inputs of a step) -> (carry, outputs): takes the step, and what `auto_reset` does.
        restart: (carry, inputs of the step before) -> carry: what `begin_together` does; called, where all episodes are
            of one length, every gcd(steps, length) steps.
        carry: before the first step.
        inputs: leaves [steps, ...]. The steps before the first are a multiple of as many.
        in_pairs: whether steps are unrolled in pairs on a GPU (`scans.scan_steps`).

    Returns:
        (carry, outputs), leaves of these [steps, ...].
    """
    if env.fixed_horizon is None:
        return unpack(scan_steps(body, carry, inputs, in_pairs))
    size = math.gcd(steps := jax.tree.leaves(inputs)[0].shape[0], env.fixed_horizon)

    def segment(carry: Carry, inputs: PyTree) -> tuple[Carry, PyTree]:
        carry, outputs = scan_steps(body, carry, inputs, in_pairs)
        return restart(carry, jax.tree.map(lambda leaf: leaf[-1], inputs)), outputs

    parts = jax.tree.map(lambda leaf: leaf.reshape(-1, size, *leaf.shape[1:]), inputs)
    carry, outputs = jax.lax.scan(segment, carry, parts)
    return carry, unpack(jax.tree.map(lambda leaf: leaf.reshape(steps, *leaf.shape[2:]), outputs))


def clock(before: ArrayLike, steps: int, key: Array, purposes: int) -> tuple[Array, Array]:
    """Gives the inputs of steps, drawn at once, for on a GPU it takes kernels to draw the keys of a step within it.

    Args:
        before: int32[], steps that the batch has taken since its first reset.
        steps: how many follow.
        key: a typed key.
        purposes: keys of each step.

    Returns:
        (int32[steps], the number of each step from 1 on; keys [steps, purposes]).
    """
    keys = jax.vmap(lambda each: jax.random.split(each, purposes))(keys_once(jax.random.split(key, steps)))
    return jnp.asarray(before) + 1 + jnp.arange(steps), keys


def begin_together(
    env: Environment,
    key: Array,
    last: tuple[PyTree, PyTree],
    params: PyTree,
    time: Array,
    seen: Callable[[PyTree], PyTree] = lambda obs: obs,
) -> Any:
    """Begins the next episode of every environment where all have just ended, being of the same length.

    Args:
        env: the society, with a `fixed_horizon`.
        key: a typed key.
        last: (what `seen` makes of observations, states) after a step; None in place of what is not needed.
        params: run-time values, the same for all.
        time: int32[], the steps that the batch has taken since its first reset. It is not batched under a `vmap` over
            seeds, so that the condition on it stays a branch.
        seen: what the loop carries of observations, such as their index; all of them by default.

    Returns:
        (observations, states) of the next step, of the kind of `last`.
    """
    assert env.fixed_horizon is not None
    num_envs = jax.tree.leaves(last[1])[0].shape[0]

    def begin() -> tuple[PyTree, PyTree]:
        obs, state = reset(env, key, params, num_envs)
        return None if last[0] is None else seen(obs), state

    return jax.lax.cond(time % env.fixed_horizon == 0, begin, lambda: shard_envs(last))


def auto_reset(
    env: Environment, key: Array, step: Step, params: PyTree, reset_pool: PyTree | None = None
) -> tuple[PyTree, PyTree]:
    """Begins the next episode in each environment whose episode ended with `step`, within the body of `scan`.

    Args:
        env: the society; of one with a `fixed_horizon` nothing is begun: `scan` does.
        key: a typed key.
        step: the transitions.
        params: run-time values, the same for all.
        reset_pool: from `reset_with_pool`: each environment restarts from one of its states, drawn uniformly.

    Returns:
        (observations, states) of the next step.
    """
    if env.fixed_horizon is not None:
        return shard_envs((step.next_obs, step.next_state))
    if reset_pool is None:
        fresh = reset(env, key, params, step.terminated.shape[0])
        return shard_envs(where_done(step.done, fresh, (step.next_obs, step.next_state)))
    drawn = once(jax.random.randint(key, step.terminated.shape, 0, jax.tree.leaves(reset_pool)[0].shape[0]))
    state = shard_envs(where_done(step.done, jax.tree.map(lambda leaf: leaf[drawn], reset_pool), step.next_state))
    return observe(env, state, params), state  # large ones, so that to choose between two of them takes longer


def empty_pool(starts: PyTree) -> Pool:
    """Makes a pool that has no start left, of states of the shapes of `starts`; who needs one fills it."""
    return Pool(starts, jnp.full((), jax.tree.leaves(starts)[0].shape[0], jnp.int32))


def begin_from_pool(reset: Reset, key: Array, ended: Array, state: PyTree, pool: Pool) -> tuple[PyTree, Pool]:
    """Begins the next episode, from a start of its own, in each environment whose episode ended.

    The pool is drawn anew if fewer starts are left than episodes ended. These are loops, not conditions: under `vmap`
    one runs only while one of the batch needs it, where a condition would draw, and choose states, at every step.

    Args:
        reset: draws start states.
        key: a typed key.
        ended: bool[num_envs].
        state: after the last step; leaves [num_envs, ...].
        pool: the starts.

    Returns:
        (states, pool) of the next step.
    """
    num_envs, number = ended.shape[0], ended.sum(dtype=jnp.int32)

    def draw(carry: tuple[Pool, Array]) -> tuple[Pool, Array]:
        pool, key = carry
        return Pool(reset(key)[1], jnp.zeros_like(pool.used)), jax.random.fold_in(key, 1)

    def begin(carry: tuple[PyTree, Pool, Array]) -> tuple[PyTree, Pool, Array]:
        state, pool, number = carry  # carried: a GPU would copy the outer one
        # The key is carried, and changes: of one that does not XLA moves all draws out of the loop, to every step.
        pool, _ = jax.lax.while_loop(lambda carry: carry[0].used + number > num_envs, draw, (pool, key))
        place = jnp.minimum(pool.used + jnp.cumsum(ended, dtype=jnp.int32) - 1, num_envs - 1)
        state = where_done(ended, jax.tree.map(lambda leaf: leaf[place], pool.starts), state)
        return state, pool.replace(used=pool.used + number), jnp.zeros_like(number)

    state, pool, _ = jax.lax.while_loop(lambda carry: carry[2] > 0, begin, (state, pool, number))
    return shard_envs(state), pool


def where_done(done: Array, fresh: Batch, old: Batch) -> Batch:
    """Chooses between two PyTrees for each environment.

    Args:
        done: bool[num_envs], whether the episode ended.
        fresh: leaves [num_envs, ...], chosen where it did.
        old: leaves of the same shapes, chosen elsewhere.

    Returns:
        Leaves of the same shapes.
    """
    return jax.vmap(lambda done, *trees: jax.tree.map(lambda n, o: jnp.where(done, n, o), *trees))(done, fresh, old)

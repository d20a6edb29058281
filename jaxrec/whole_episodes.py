"""Playing whole episodes of several policies, in a batch that shrinks as episodes end."""

from functools import partial
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jaxtyping import PyTree

from jaxrec import measures, vectorized
from jaxrec.environment import Environment
from jaxrec.inputs import check_acts
from jaxrec.policy import Policy
from jaxrec.runtime.batching import vmap
from jaxrec.runtime.devices import bound_like
from jaxrec.runtime.jit_by_class import jit
from jaxrec.runtime.progress import Meter, NoMeter
from jaxrec.utilities import Leaf

CHUNK = 50  # steps between two counts of the episodes that ended
SHRINK = 4  # the ratio of episodes to unended ones from which the batch shrinks to the latter,
MIN_BATCH = 2048  # unless it is at most so large: a step of fewer episodes takes about as long


@runtime_checkable
class Tally(Protocol):
    """Notes taken of an episode: hashable, with jitted methods. `_Measured` is the usual one."""

    def start(self, env: Environment, step: PyTree) -> PyTree:
        """Gives the notes before the first step; `step` has the shapes of its measures."""
        ...

    def add(self, env: Environment, noted: PyTree, step: vectorized.Step, params: PyTree) -> PyTree:
        """Adds one step of one environment to the notes.

        Args:
            env: the environment.
            noted: the notes before the step.
            step: the step, without a batch axis.
            params: run-time values.

        Returns:
            The notes after the step, of the same structure, shapes and dtypes.
        """
        ...

    def outcome(self, env: Environment, noted: PyTree, state: PyTree, params: PyTree) -> PyTree:
        """Makes the result of an episode from its notes.

        Args:
            env: the environment.
            noted: the notes after the last step.
            state: the last state.
            params: run-time values.

        Returns:
            A PyTree of arrays.
        """
        ...


class _Under(struct.PyTreeNode):
    """Episodes under way; every leaf is [policies, episodes, ...].

    Attributes:
        state, carry: of the environment and the policy; they no longer change once the episode has ended.
        noted: notes of the tally.
        ended: bool.
    """

    state: PyTree
    carry: PyTree
    noted: PyTree
    ended: Leaf


def play(
    env: Environment,
    policies: PyTree,
    key: Array,
    episodes: int,
    params: PyTree,
    tally: Tally,
    max_steps: int,
    meter: Meter | None = None,
    name: str = "",
) -> tuple[Any, ...]:
    """Plays `episodes` episodes of each policy, and notes of them what the tally notes.

    Args:
        env: the society.
        policies: one PyTree, stacked along a leading axis.
        key: a typed key.
        episodes: of each policy, at least 1.
        params: run-time values.
        tally: the notes to take.
        max_steps: the length at which an episode is cut off.
        meter: notified of the progress.
        name: of the policies, in the meter.

    Returns:
        The fields of the tally's `outcome`, and whether each episode ended: NumPy arrays [policies, episodes, ...].
    """
    meter = meter or NoMeter()
    key_start, key = jax.random.split(key)
    count = jax.tree.leaves(policies)[0].shape[0] if jax.tree.leaves(policies) else 1
    obs, state = _starts(env, key_start, params, count, episodes)
    under = bound_like(_begin(env, policies, key_start, obs, state, params, tally), (policies, params))
    rows, places = np.arange(count)[:, None], np.broadcast_to(np.arange(episodes), (count, episodes))
    shapes = jax.eval_shape(partial(_outcome, env, tally), under, params)
    outcome = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    meter.start(f"playing {episodes:,} episodes{name and f' of {name}'}", 100)
    shown, steps = 0, 0
    while True:
        key, key_chunk = jax.random.split(key)
        size = min(CHUNK, env.fixed_horizon or CHUNK, max_steps - steps)
        under, steps = _advance(env, policies, under, key_chunk, params, tally, size), steps + size
        going = np.asarray(~under.ended)
        while shown < int(100 * (1 - going.sum() / outcome[-1].size)):
            shown, _ = shown + 1, meter.advance()
        stops = not going.any() or steps >= max_steps
        if stops or (going.sum(axis=1).max() <= places.shape[1] // SHRINK and places.size > MIN_BATCH):
            _store(outcome, _outcome(env, tally, under, params), rows, places)
            if stops:
                return outcome
            kept = np.argsort(~going, axis=1, stable=True)[:, : places.shape[1] // SHRINK]
            under, places = jax.tree.map(lambda leaf, kept=kept: leaf[rows, kept], under), places[rows, kept]


def _store(into: PyTree, values: PyTree, rows: np.ndarray, places: np.ndarray) -> None:
    for target, source in zip(jax.tree.leaves(into), jax.tree.leaves(values), strict=True):
        target[rows, places] = source


@partial(jax.jit, static_argnames=("env", "count", "episodes"))
def _starts(env: Environment, key: Array, params: PyTree, count: int, episodes: int) -> tuple[PyTree, PyTree]:
    """Gives observations and states to start from, [policies, episodes, ...]: compiled once, whatever the policies."""
    starts = vectorized.reset(env, key, params, count * episodes)
    return jax.tree.map(lambda leaf: leaf.reshape(count, episodes, *leaf.shape[1:]), starts)


@jit(static_argnames=("env", "tally"), donate_argnames="state")
def _begin(
    env: Environment, policies: PyTree, key: Array, obs: PyTree, state: PyTree, params: PyTree, tally: Tally
) -> _Under:
    """Begins episodes, each from a start of its own: leaves [policies, episodes, ...]."""
    count, episodes = jax.tree.leaves(state)[0].shape[:2]
    keys = jax.random.split(jax.random.fold_in(key, 1), (count, episodes))

    def begun(policy: Policy, keys: Array, obs: PyTree, state: PyTree) -> PyTree:
        one, at = jax.tree.map(lambda leaf: leaf[0], (obs, state))
        check_acts(policy, env, one)
        action = jax.eval_shape(policy.act, jax.eval_shape(policy.init, keys[0]), one, keys[0])[0]
        like = jax.eval_shape(partial(_measured, env), keys[0], at, one, action, params)
        noted = tally.start(env, like)
        every = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (episodes, *jnp.shape(leaf))), noted)
        return jax.vmap(policy.init)(keys), every

    carry, noted = jax.vmap(begun, axis_size=count)(policies, keys, obs, state)
    return _Under(state, carry, noted, jnp.zeros((count, episodes), bool))


def _measured(
    env: Environment, key: Array, state: PyTree, obs: PyTree, action: PyTree, params: PyTree
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Measures one step of one environment."""
    state, obs, action = jax.tree.map(lambda leaf: leaf[None], (state, obs, action))
    step = jax.tree.map(lambda leaf: leaf[0], vectorized.step(env, key, state, obs, action, params))
    return measures.present(env, measures.measure(env, params, step))


@jit(static_argnames=("env", "tally", "size"), donate_argnames="under")
def _advance(
    env: Environment, policies: PyTree, under: _Under, key: Array, params: PyTree, tally: Tally, size: int
) -> _Under:
    """Plays every episode for `size` steps."""
    params = env.prepare(params)

    def of_policy(policy: Policy, under: _Under, key: Array) -> _Under:
        def step(under: _Under, key: Array) -> tuple[_Under, None]:
            key_act, key_step = jax.random.split(key)
            keys = jax.random.split(key_act, under.ended.shape[0])
            obs = vectorized.observe(env, under.state, params)
            action, carry = jax.vmap(policy.act)(under.carry, obs, keys)
            taken = vectorized.step(env, key_step, under.state, obs, action, params)
            noted = jax.vmap(lambda noted, step: tally.add(env, noted, step, params))(under.noted, taken)
            after = _Under(taken.next_state, carry, noted, taken.done)
            return vectorized.where_done(under.ended, under, after), None

        return jax.lax.scan(step, under, jax.random.split(key, size))[0]

    return vmap(of_policy)(policies, under, jax.random.split(key, under.ended.shape[0]))


@partial(jax.jit, static_argnames=("env", "tally"))
def _outcome(env: Environment, tally: Tally, under: _Under, params: PyTree) -> tuple[PyTree, ...]:
    """Gives the outcomes of episodes, and whether they ended."""
    each = jax.vmap(jax.vmap(lambda noted, state: tally.outcome(env, noted, state, params)))
    found = each(under.noted, under.state)
    return (*found, under.ended) if isinstance(found, tuple) else (found, under.ended)

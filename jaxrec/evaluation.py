"""Whole episodes: each begins anew, is played to its end, and counts once, however long it is.

A window of steps counts short episodes more often than long ones, and leaves out those that it cuts off.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from jaxrec import checks, measures, vectorized
from jaxrec.environment import Environment
from jaxrec.inputs import check_acts, check_env, check_policy
from jaxrec.parameters import canonical
from jaxrec.runtime.jit_by_class import jit
from jaxrec.runtime.progress import Meter, NoMeter
from jaxrec.statistics import Estimate, estimate
from jaxrec.sums import Sum

CHUNK = 50  # steps between looks at how many episodes have ended
SHRINK = 4  # once no more than one in so many is under way, the ended ones are put away,
SMALL = 2048  # unless there are so few that a step costs about as much with fewer

Kind = Literal["sum", "mean", "last"]


@dataclass(frozen=True)
class Evaluation:
    """What a policy did in each of many independent episodes; NumPy arrays [episodes].

    Metrics are those of `rollout`: the environment's, `reward`, and the utilities `recommender`, `user`, `society`.

    Attributes:
        sums, means, last: metric -> float[episodes], over the steps of the episode, and at its last step. Of a metric
            in `env.sparse_metrics` over the steps that have it; NaN where none has, or the last has not.
        length: int[episodes], steps.
        ended: bool[episodes], the episode came to its end; else it was cut off after `max_steps` steps.
    """

    sums: dict[str, np.ndarray]
    means: dict[str, np.ndarray]
    last: dict[str, np.ndarray]
    length: np.ndarray
    ended: np.ndarray

    @property
    def cut_off(self) -> int:
        """How many episodes did not come to their end."""
        return int((~self.ended).sum())

    def estimate(self, metric: str, kind: Kind = "sum") -> Estimate:
        """The mean over episodes with its 95 % interval.

        Args:
            metric: one of `sums`, or "length" (whatever the kind).
            kind: the sum over an episode, the mean over its steps, or the value at its last step.

        Returns:
            Over the episodes that have a value; NaN if none has. Sums, last values and lengths of episodes that were
            cut off are not those of whole ones: NaN if any was.
        """
        tables = {"sum": self.sums, "mean": self.means, "last": self.last}
        table = checks.lookup(tables, kind, "kind") | {"length": self.length}
        values = np.asarray(checks.lookup(table, metric, "metric"), float)
        values = values[np.isfinite(values)]
        if not values.size or (self.cut_off and (kind != "mean" or metric == "length")):
            return Estimate(float("nan"), None, None)
        return estimate(values)


def evaluate(
    env: Environment,
    policies: Any,
    key: Array,
    episodes: int,
    params: Any = None,
    max_steps: int = 1_000_000,
    meter: Meter | None = None,
) -> Any:
    """Plays whole episodes, each in an environment of its own from a start of its own.

        played = jaxrec.evaluate(env, {"random": env.policy("random"), "mine": policy}, jax.random.key(0), 1000)
        print(played["mine"].estimate("reward"))  # mean return and its 95 % interval

    Args:
        env: the society.
        policies: a policy, or several by name; they play on the same draws, so that differences are their own.
        key: a typed key.
        episodes: of each policy, at least 1.
        params: run-time values; the environment's defaults if None.
        max_steps: after so many an episode is cut off.
        meter: told of the progress.

    Returns:
        An `Evaluation`, or one for each name.

    Raises:
        InputError: for no episodes, no policies, or what `rollout` refuses.
    """
    check_env(env)
    checks.typed_key("key", key)
    checks.positive("episodes", episodes, checks.MOST_STEPS)
    checks.positive("max_steps", max_steps, checks.MOST_STEPS)
    named = policies if isinstance(policies, Mapping) else {"": policies}
    if not named:
        raise checks.InputError("policies must have at least one, got none")
    params = canonical(env.resolve(params))
    played = {}
    for name, policy in named.items():
        check_policy(policy)
        stack = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], policy)
        outcome = play(env, stack, key, episodes, params, _Measured(), max_steps, meter, name)
        sums, means, last, length, ended = jax.tree.map(lambda leaf: leaf[0], outcome)
        played[name] = Evaluation(sums, means, last, length, ended)
    return played if isinstance(policies, Mapping) else played[""]


@runtime_checkable
class Tally(Protocol):
    """What is noted of an episode; hashable, its methods are jitted. `_Measured` is the usual one."""

    def start(self, env: Any, step: Any) -> Any:
        """What is noted before the first step; `step` has the shapes of one."""
        ...

    def add(self, env: Any, noted: Any, step: vectorized.Step, params: Any) -> Any:
        """What is noted after one more step of one environment."""
        ...

    def outcome(self, env: Any, noted: Any, state: Any, params: Any) -> Any:
        """What the episode came to, given its last state."""
        ...


@dataclass(frozen=True)
class _Measured:
    """Sums, means and last values of every measure."""

    def start(self, env: Environment, step: Any) -> Any:
        """Sums of nothing."""
        measured, there = step
        return Sum.zeros((measured, there)), jax.tree.map(jnp.zeros_like, measured), jnp.zeros((), jnp.int32)

    def add(self, env: Environment, noted: Any, step: vectorized.Step, params: Any) -> Any:
        """One more step measured."""
        measured = measures.measure(env, params, step)
        sums, _, length = noted
        return sums.add(measures.present(env, measured)), measured, length + 1

    def outcome(self, env: Environment, noted: Any, state: Any, params: Any) -> Any:
        """(sums, means, last, length)."""
        sums, last, length = noted
        totals, there = sums.total
        missing = {name: jnp.where(known > 0, 0, jnp.nan) for name, known in there.items()}
        totals = {name: total + missing.get(name, 0) for name, total in totals.items()}
        return totals, measures.means(totals, there, length), last, length


class _Under(struct.PyTreeNode):
    """Episodes under way; every leaf is [policies, episodes, ...].

    Attributes:
        state, obs, carry: of the environment and the policy; they no longer change where the episode has ended.
        noted: by the tally.
        ended: bool.
    """

    state: Any
    obs: Any
    carry: Any
    noted: Any
    ended: Any


def play(
    env: Environment,
    policies: Any,
    key: Array,
    episodes: int,
    params: Any,
    tally: Tally,
    max_steps: int,
    meter: Meter | None = None,
    name: str = "",
) -> tuple[Any, ...]:
    """Plays `episodes` episodes of each policy, each its own, and notes what the tally asks for.

    Args:
        env: the society.
        policies: one PyTree, stacked along a leading axis.
        key: a typed key.
        episodes: of each.
        params: run-time values.
        tally: what is noted.
        max_steps: after so many an episode is cut off.
        meter: told of the progress.
        name: what the meter calls the policies.

    Returns:
        What the tally's `outcome` gives, and whether each episode ended: NumPy arrays [policies, episodes].
    """
    meter = meter or NoMeter()
    key_start, key = jax.random.split(key)
    count = jax.tree.leaves(policies)[0].shape[0] if jax.tree.leaves(policies) else 1
    under = _begin(env, policies, key_start, episodes, count, params, tally)
    rows, places = np.arange(count)[:, None], np.broadcast_to(np.arange(episodes), (count, episodes))
    shapes = jax.eval_shape(partial(_outcome, env, tally), under, params)
    outcome = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    meter.start(f"playing {episodes:,} episodes{name and f' of {name}'}", 100)
    shown, steps = 0, 0
    chunk = min(CHUNK, env.fixed_horizon or CHUNK)
    while True:
        key, key_chunk = jax.random.split(key)
        size = min(chunk, max_steps - steps)
        under, steps = _advance(env, policies, under, key_chunk, params, tally, size), steps + size
        going = np.asarray(~under.ended)
        left = int(going.sum(axis=1).max())
        while shown < int(100 * (1 - going.sum() / outcome[-1].size)):
            shown, _ = shown + 1, meter.advance()
        stops = not left or steps >= max_steps
        if stops or (left <= places.shape[1] // SHRINK and places.size > SMALL):
            _store(outcome, _outcome(env, tally, under, params), rows, places)
            if stops:
                return outcome
            kept = np.argsort(~going, axis=1, stable=True)[:, : places.shape[1] // SHRINK]
            under, places = jax.tree.map(lambda leaf, kept=kept: leaf[rows, kept], under), places[rows, kept]


def _store(into: Any, values: Any, rows: np.ndarray, places: np.ndarray) -> None:
    for target, source in zip(jax.tree.leaves(into), jax.tree.leaves(values), strict=True):
        target[rows, places] = source


@jit(static_argnames=("env", "episodes", "count", "tally"))
def _begin(env: Environment, policies: Any, key: Array, episodes: int, count: int, params: Any, tally: Tally) -> _Under:
    """Starts of their own for every policy: leaves [policies, episodes, ...]."""
    starts = vectorized.reset(env, key, params, count * episodes)
    obs, state = jax.tree.map(lambda leaf: leaf.reshape(count, episodes, *leaf.shape[1:]), starts)
    keys = jax.random.split(jax.random.fold_in(key, 1), (count, episodes))

    def begun(policy: Any, keys: Array, obs: Any, state: Any) -> Any:
        one, at = jax.tree.map(lambda leaf: leaf[0], (obs, state))
        check_acts(policy, env, one)
        action = jax.eval_shape(policy.act, jax.eval_shape(policy.init, keys[0]), one, keys[0])[0]
        like = jax.eval_shape(partial(_measured, env), keys[0], at, one, action, params)
        noted = tally.start(env, like)
        every = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (episodes, *jnp.shape(leaf))), noted)
        return jax.vmap(policy.init)(keys), every

    carry, noted = jax.vmap(begun, axis_size=count)(policies, keys, obs, state)
    return _Under(state, obs, carry, noted, jnp.zeros((count, episodes), bool))


def _measured(env: Environment, key: Array, state: Any, obs: Any, action: Any, params: Any) -> Any:
    """The measures of one step of one environment."""
    state, obs, action = jax.tree.map(lambda leaf: leaf[None], (state, obs, action))
    step = jax.tree.map(lambda leaf: leaf[0], vectorized.step(env, key, state, obs, action, params))
    return measures.present(env, measures.measure(env, params, step))


@jit(static_argnames=("env", "tally", "size"), donate_argnames="under")
def _advance(
    env: Environment, policies: Any, under: _Under, key: Array, params: Any, tally: Tally, size: int
) -> _Under:
    """Every episode `size` steps on."""

    def of_policy(policy: Any, under: _Under, key: Array) -> _Under:
        def step(under: _Under, key: Array) -> tuple[_Under, None]:
            key_act, key_step = jax.random.split(key)
            keys = jax.random.split(key_act, under.ended.shape[0])
            action, carry = jax.vmap(policy.act)(under.carry, under.obs, keys)
            taken = vectorized.step(env, key_step, under.state, under.obs, action, params)
            noted = jax.vmap(lambda noted, step: tally.add(env, noted, step, params))(under.noted, taken)
            after = _Under(taken.next_state, taken.next_obs, carry, noted, taken.done)
            return vectorized.where_done(under.ended, under, after), None

        return jax.lax.scan(step, under, jax.random.split(key, size))[0]

    return jax.vmap(of_policy)(policies, under, jax.random.split(key, under.ended.shape[0]))


@partial(jax.jit, static_argnames=("env", "tally"))
def _outcome(env: Environment, tally: Tally, under: _Under, params: Any) -> tuple[Any, ...]:
    """What episodes came to, and whether they ended."""
    each = jax.vmap(jax.vmap(lambda noted, state: tally.outcome(env, noted, state, params)))
    found = each(under.noted, under.state)
    return (*found, under.ended) if isinstance(found, tuple) else (found, under.ended)

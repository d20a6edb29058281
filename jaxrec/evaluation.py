"""Evaluation by whole episodes: each has a start of its own, is played to its end, and counts once at any length.

A window of steps counts short episodes more often than long ones, and leaves out those that it cuts off.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks, measures, vectorized
from jaxrec.environment import Environment
from jaxrec.inputs import check_env, check_policy
from jaxrec.parameters import canonical
from jaxrec.policy import Policy
from jaxrec.runtime.progress import Meter
from jaxrec.statistics import Estimate, estimate
from jaxrec.sums import Sum
from jaxrec.whole_episodes import play

Kind = Literal["sum", "mean", "last"]


@dataclass(frozen=True)
class Evaluation:
    """The metrics of many independent episodes of a policy; NumPy arrays [episodes].

    Metrics are those of `rollout`: the environment's, `reward`, and the utilities `recommender`, `user`, `society`.

    Attributes:
        sums, means, last: metric -> float[episodes]: the sum and the mean over the steps of the episode, and the value
            at its last step. A metric in `env.sparse_metrics` is summed over the steps that have it, and NaN where no
            step has it, or the last has not.
        length: int[episodes], steps.
        ended: bool[episodes], whether the episode came to its end; else it was cut off after `max_steps` steps.
    """

    sums: dict[str, np.ndarray]
    means: dict[str, np.ndarray]
    last: dict[str, np.ndarray]
    length: np.ndarray
    ended: np.ndarray

    @property
    def cut_off(self) -> int:
        """The number of episodes that did not come to their end."""
        return int((~self.ended).sum())

    def estimate(self, metric: str, kind: Kind = "sum") -> Estimate:
        """Estimates the mean over episodes with its 95 % interval.

        Args:
            metric: one of `sums`, or "length" (whatever the kind).
            kind: the sum over an episode, the mean over its steps, or the value at its last step.

        Returns:
            The estimate over the episodes that have a value; NaN if none has. It is NaN for sums, last values and
            lengths if any episode was cut off, since they are not those of whole episodes.

        Raises:
            InputError: for an unknown metric or kind.
        """
        tables = {"sum": self.sums, "mean": self.means, "last": self.last}
        table = checks.lookup(tables, kind, "kind") | {"length": self.length}
        values = np.asarray(checks.lookup(table, metric, "metric"), float)
        values = values[np.isfinite(values)]
        if not values.size or (self.cut_off and (kind != "mean" or metric == "length")):
            return Estimate(float("nan"), None, None)
        return estimate(values)


@overload
def evaluate(
    env: Environment,
    policies: Mapping[str, Policy],
    key: Array,
    episodes: int,
    params: PyTree = None,
    max_steps: int = 1_000_000,
    meter: Meter | None = None,
) -> dict[str, Evaluation]: ...
@overload
def evaluate(
    env: Environment,
    policies: Policy,
    key: Array,
    episodes: int,
    params: PyTree = None,
    max_steps: int = 1_000_000,
    meter: Meter | None = None,
) -> Evaluation: ...
@checks.known_keywords
def evaluate(
    env: Environment,
    policies: Policy | Mapping[str, Policy],
    key: Array,
    episodes: int,
    params: PyTree = None,
    max_steps: int = 1_000_000,
    meter: Meter | None = None,
) -> Evaluation | dict[str, Evaluation]:
    """Plays whole episodes, each in an environment of its own from a start of its own.

        played = jaxrec.evaluate(env, {"random": env.policy("random"), "mine": policy}, jax.random.key(0), 1000)
        print(played["mine"].estimate("reward"))  # mean return and its 95 % interval

    Args:
        env: the society.
        policies: a policy, or several by name; they play on the same draws, so that only policies make a difference.
        key: a typed key.
        episodes: of each policy, at least 1.
        params: run-time values; the environment's defaults if None.
        max_steps: the length at which an episode is cut off, at least 1.
        meter: notified of the progress.

    Returns:
        An `Evaluation`, or one for each name.

    Raises:
        InputError: for no episodes, no policies, or any argument that `rollout` refuses.
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


@dataclass(frozen=True)
class _Measured:
    """Sums, means and last values of every measure."""

    def start(self, env: Environment, step: PyTree) -> PyTree:
        """Gives empty sums."""
        measured, there = step
        return Sum.zeros((measured, there)), jax.tree.map(jnp.zeros_like, measured), jnp.zeros((), jnp.int32)

    def add(self, env: Environment, noted: PyTree, step: vectorized.Step, params: PyTree) -> PyTree:
        """Adds the measures of one step."""
        measured = measures.measure(env, params, step)
        sums, _, length = noted
        return sums.add(measures.present(env, measured)), measured, length + 1

    def outcome(self, env: Environment, noted: PyTree, state: PyTree, params: PyTree) -> PyTree:
        """Gives (sums, means, last, length)."""
        sums, last, length = noted
        totals, there = sums.total
        missing = {name: jnp.where(known > 0, 0, jnp.nan) for name, known in there.items()}
        totals = {name: total + missing.get(name, 0) for name, total in totals.items()}
        return totals, measures.means(totals, there, length), last, length

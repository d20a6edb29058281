"""The best policy of a training so far, with the score that it earned."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from jaxrec import checks
from jaxrec.runtime.jit_by_class import jit
from jaxrec.training.parallel import Runs

Evaluate = Callable[[Any, Any, Array], Array]
"""(policy, params, key) -> float[], the score of the policy of one run; jittable, higher is better."""


class Best(struct.PyTreeNode):
    """Of each run; every leaf has a leading axis of runs.

    Attributes:
        policy: the one with the highest score.
        score: float[runs], what it earned; -inf before any was scored.
        updates: int32[runs], what it had learned from.
    """

    policy: Any
    score: Any
    updates: Any


@jit(donate_argnames="into", keep_unused=True)
def policies(agent: Any, state: Any, into: Any = None) -> Any:
    """The learned policies of all runs, as copies: the training donates its state.

    `into`, an earlier result, is donated for its memory, which large tables fill faster than new memory.
    """
    return jax.tree.map(lambda leaf: jnp.array(leaf, leaf.dtype, copy=True), jax.vmap(agent.policy)(state))


def unscored(agent: Any, state: Any) -> Best:
    """Before the first score."""
    policy = policies(agent, state)
    runs = len(jax.tree.leaves(policy)[0])
    return Best(policy, jnp.full(runs, -jnp.inf), jnp.zeros(runs, jnp.int32))


@jit(donate_argnames="best")
def better(best: Best, policy: Any, score: Any, updates: Any) -> Best:
    """With `policy`, after so many updates, where it earned more; the first of equals stays."""
    higher = score > best.score
    new = Best(policy, jnp.asarray(score, best.score.dtype), jnp.full_like(best.updates, updates))

    def choose(new: Array, old: Array) -> Array:
        return jnp.where(higher.reshape(-1, *[1] * (old.ndim - 1)), new, old)

    return jax.tree.map(choose, new, best)


def earned(metrics: dict[str, np.ndarray]) -> np.ndarray:
    """float[runs]: the mean return of episodes that ended in a chunk, -inf where none did; else reward, or -loss."""
    if "episode_return" in metrics:
        return np.where(np.isnan(metrics["episode_return"]), -np.inf, metrics["episode_return"])
    return metrics["reward"] if "reward" in metrics else -metrics["loss"]


class ByReturn:
    """Scores a chunk by what it earned, which counts for the policy that began it and collected the first batch."""

    def __init__(self, runs: Runs):
        self._agent, self._policy = runs.agent, None

    def none_yet(self, state: Any) -> Best:
        """The best before the first score."""
        return unscored(self._agent, state)

    def begin(self, state: Any) -> None:
        """Takes the memory for a copy of the policies."""
        self._policy = policies(self._agent, state)

    def before(self, state: Any) -> None:
        """Copies the policies that begin a chunk."""
        self._policy = policies(self._agent, state, self._policy)

    def after(self, best: Best, state: Any, metrics: dict[str, np.ndarray], first: int, last: int) -> Best:
        """The best after updates `first` ... `last` - 1 with these metrics led to `state`."""
        return better(best, self._policy, earned(metrics), first)


class ByEvaluation(ByReturn):
    """Scores the policies that end a chunk with a function."""

    def __init__(self, runs: Runs, evaluate: Evaluate):
        super().__init__(runs)
        self._runs, self._evaluate = runs, evaluate

    def before(self, state: Any) -> None:
        """Does nothing."""

    def after(self, best: Best, state: Any, metrics: dict[str, np.ndarray], first: int, last: int) -> Best:
        """The best after updates `first` ... `last` - 1 led to `state`."""
        super().before(state)
        return better(best, self._policy, self._runs.scores(self._evaluate, self._policy), last)


class NoBest:
    """Scores nothing: no checkpoints are kept, or the agent has no policy."""

    def none_yet(self, state: Any) -> None:
        """There is no best."""

    def begin(self, state: Any) -> None:
        """Does nothing."""

    def before(self, state: Any) -> None:
        """Does nothing."""

    def after(self, best: None, state: Any, metrics: dict[str, np.ndarray], first: int, last: int) -> None:
        """There is no best."""


def scoring(runs: Runs, evaluate: Evaluate | None, wanted: bool) -> Any:
    """How the best policies of a training are found.

    Args:
        runs: the trainings.
        evaluate: scores the policy of one run; None for what the chunks earned.
        wanted: whether the policies are kept.

    Raises:
        InputError: for `evaluate` where nothing is kept, or of an agent that has no policy.
    """
    if wanted and hasattr(runs.agent, "policy"):
        return ByReturn(runs) if evaluate is None else ByEvaluation(runs, evaluate)
    if evaluate is not None:
        raise checks.InputError("evaluate scores what is kept: give checkpoints too, and an agent that has a policy")
    return NoBest()

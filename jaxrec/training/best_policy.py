"""The best policy of a training so far, with the score that it earned."""

from collections.abc import Callable
from typing import Any, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int, PyTree

from jaxrec import checks
from jaxrec.runtime.jit_by_class import jit
from jaxrec.training.agent import Agent
from jaxrec.training.parallel import Runs

Evaluate = Callable[[Any, Any, Array], Array]
"""(policy, params, key) -> float[], the score of the policy of one run; jittable, higher is better."""


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class Best(struct.PyTreeNode):
    """Of each run; every leaf has a leading axis of runs.

    Attributes:
        policy: the one with the highest score.
        score: float[runs], what it earned; -inf before any was scored.
        updates: int32[runs], what it had learned from.
    """

    policy: PyTree
    score: Float[Array, "*runs"]
    updates: Int[Array, "*runs"]


@jit(donate_argnames="into", keep_unused=True)
def policies(agent: Any, state: PyTree, into: PyTree = None) -> PyTree:
    """Gives the learned policies of all runs, as copies: the training donates its state.

    Args:
        agent: an `Agent` that has `policy(state)`.
        state: of all runs.
        into: an earlier result, donated for its memory, which large tables fill faster than new memory.

    Returns:
        The policies, with a leading axis of runs on every leaf.
    """
    return jax.tree.map(lambda leaf: jnp.array(leaf, leaf.dtype, copy=True), jax.vmap(agent.policy)(state))


def unscored(agent: Agent, state: PyTree) -> Best:
    """Before the first score."""
    policy = policies(agent, state)
    runs = len(jax.tree.leaves(policy)[0])
    return Best(policy, jnp.full(runs, -jnp.inf), jnp.zeros(runs, jnp.int32))


@jit(donate_argnames="best")
def better(best: Best, policy: PyTree, score: ArrayLike, updates: Int[Array, ""] | int) -> Best:
    """Puts `policy` in the place of the best where it earned more; the first of equals stays.

    Args:
        best: so far; donated.
        policy: of all runs.
        score: float[runs], what it earned.
        updates: what it had learned from.

    Returns:
        The best now.
    """
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

    def none_yet(self, state: PyTree) -> Best:
        """The best before the first score."""
        return unscored(self._agent, state)

    def begin(self, state: PyTree) -> None:
        """Takes the memory for a copy of the policies."""
        self._policy = policies(self._agent, state)

    def before(self, state: PyTree) -> None:
        """Copies the policies that begin a chunk."""
        self._policy = policies(self._agent, state, self._policy)

    def after(self, best: Best, state: PyTree, metrics: dict[str, np.ndarray], first: int, last: int) -> Best:
        """Gives the best after updates `first` ... `last` - 1 with these metrics led to `state`.

        Args:
            best: before this chunk.
            state: after it.
            metrics: of the chunk, float[runs] each.
            first: its first update.
            last: the update after its last.
        """
        return better(best, self._policy, earned(metrics), first)


class ByEvaluation(ByReturn):
    """Scores the policies that end a chunk with a function."""

    def __init__(self, runs: Runs, evaluate: Evaluate):
        super().__init__(runs)
        self._runs, self._evaluate = runs, evaluate

    def before(self, state: PyTree) -> None:
        """Does nothing."""

    def after(self, best: Best, state: PyTree, metrics: dict[str, np.ndarray], first: int, last: int) -> Best:
        """Gives the best after updates `first` ... `last` - 1 led to `state`.

        Args:
            best: before this chunk.
            state: after it.
            metrics: of the chunk, float[runs] each; not read.
            first: its first update; not read.
            last: the update after its last.
        """
        super().before(state)
        return better(best, self._policy, self._runs.scores(self._evaluate, self._policy), last)


class NoBest:
    """Scores nothing: no checkpoints are kept, or the agent has no policy."""

    def none_yet(self, state: PyTree) -> None:
        """There is no best."""

    def begin(self, state: PyTree) -> None:
        """Does nothing."""

    def before(self, state: PyTree) -> None:
        """Does nothing."""

    def after(self, best: None, state: PyTree, metrics: dict[str, np.ndarray], first: int, last: int) -> None:
        """Does nothing: there is no best.

        Args:
            best: None.
            state: after it.
            metrics: of the chunk, float[runs] each.
            first: its first update.
            last: the update after its last.
        """


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

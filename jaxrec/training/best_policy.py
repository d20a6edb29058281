"""The best policy of a training so far, with the score that it earned."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from jaxrec.runtime.jit_by_class import jit

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
    """What was learned so far, as copies: the training gives its state away.

    `into`, an earlier result, is given away for its memory, which large tables fill faster than new memory.
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


def evaluated(evaluate: Evaluate, policy: Any, params: Any, keys: Array) -> Array:
    """float[runs]: on the same draws at every call, and others than those of the training."""
    return jax.vmap(evaluate)(policy, params, jax.vmap(lambda key: jax.random.fold_in(key, 2**32 - 1))(keys))

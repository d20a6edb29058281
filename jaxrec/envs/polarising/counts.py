"""The count states of PolarisingUsers-v0, numbered without gaps.

The recommender knows clicks and misses for each source: six counts with sum t, the time. Their running sums
s_0 <= ... <= s_5 = t have, in the combinatorial number system (Knuth, TAOCP 4A, 7.2.1.3), the rank
sum_j C(s_j + j, j + 1): a bijection onto 0 ... C(horizon + 6, 6) - 1 in which the states of each time-step are
contiguous.
"""

import math
from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Int

NUM_COUNTS = 6
MAX_TIME = 77  # C(81, 5) * 82, before the last division, is the largest that int32 holds


def num_states(time: int) -> int:
    """The number of states at times 0 ... `time`; also the rank of the first state at `time + 1`."""
    return math.comb(time + NUM_COUNTS, NUM_COUNTS)


def from_observation(obs: Int[Array, "... 6"]) -> Int[Array, "... 6"]:
    """Maps recommendations and clicks of left, centre and right to (clicks, misses) of each."""
    recommended, clicked = obs[..., :3], obs[..., 3:]
    return jnp.stack([clicked, recommended - clicked], axis=-1).reshape(obs.shape)


def rank(counts: Int[Array, "... 6"] | Int[np.ndarray, "... 6"]) -> Any:
    """int32[...]: the ranks of count states int32[..., 6], of NumPy or JAX.

    Each binomial is a product that is divided as it grows, so that int32 suffices up to time `MAX_TIME`; unsigned
    numbers divide sooner, having no sign to look at.
    """
    total, index = np.uint32(0), np.uint32(0)
    for j in range(NUM_COUNTS):
        total = total + counts[..., j].astype(np.uint32)
        binomial = total
        for i in range(1, j + 1):
            binomial = binomial * (total + i) // (i + 1)
        index = index + binomial
    return index.astype(np.int32)


@cache
def layer(time: int) -> np.ndarray:
    """int32[states, 6]: the counts of every state at `time`, in the order of their ranks."""
    return np.diff(_running_sums(NUM_COUNTS, time), axis=1, prepend=0)


@cache
def successors(time: int) -> tuple[np.ndarray, np.ndarray]:
    """The ranks of the states after a click and after a miss in each state at `time`: int32[states, sources] each."""
    after = rank(layer(time)[:, None, :] + np.eye(NUM_COUNTS, dtype=np.int32))
    return after[:, 0::2], after[:, 1::2]


@cache
def _running_sums(length: int, last: int) -> np.ndarray:
    """int32[n, length]: every non-decreasing sequence of non-negative integers that ends in `last`, in rank order."""
    if length == 1:
        return np.array([[last]], np.int32)
    heads = np.concatenate([_running_sums(length - 1, previous) for previous in range(last + 1)])
    return np.column_stack([heads, np.full(len(heads), last, np.int32)])

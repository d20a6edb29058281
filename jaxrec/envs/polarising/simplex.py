"""Functions of a belief: values on a regular grid of beliefs, interpolated linearly between them.

Source: Lovejoy, "Computationally feasible bounds for partially observed Markov decision processes" (1991): the
Freudenthal triangulation of the simplex. Of a convex function the interpolation is nowhere below it.
"""

from itertools import combinations_with_replacement
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from jaxrec import checks

MAX_CELLS = 2**24  # of `Grid.ranks`


class Grid(NamedTuple):
    """Beliefs whose entries are multiples of 1 / resolution.

    Attributes:
        points: float32[points, kinds], the beliefs.
        ranks: int32[resolution + 1, ...], with an axis for each kind but the first: the place in `points` of the belief
            whose tail sums (`_tails`), times the resolution, are the index; -1 for none.
    """

    points: np.ndarray
    ranks: np.ndarray

    @property
    def resolution(self) -> int:
        """Steps between a belief in one kind and a belief in another."""
        return self.ranks.shape[0] - 1 if self.ranks.ndim else 1


def grid(kinds: int, resolution: int) -> Grid:
    """Lists the beliefs over so many kinds.

    Raises:
        InputError: for a number below 1, or a grid too fine for the memory.
    """
    checks.positive("kinds", kinds)
    checks.positive("resolution", resolution)
    if (resolution + 1) ** (kinds - 1) > MAX_CELLS:
        raise checks.InputError(
            f"resolution must be at most {int(MAX_CELLS ** (1 / (kinds - 1))) - 1} for {kinds} kinds, got {resolution}"
        )
    if kinds == 1:
        return Grid(np.ones((1, 1), np.float32), np.zeros((), np.int32))
    rising = combinations_with_replacement(range(resolution + 1), kinds - 1)
    tails = np.array([sums[::-1] for sums in rising], np.int32)
    ranks = np.full((resolution + 1,) * (kinds - 1), -1, np.int32)
    ranks[tuple(tails.T)] = np.arange(len(tails))
    bounded = np.pad(tails, ((0, 0), (1, 0)), constant_values=resolution)
    bounded = np.pad(bounded, ((0, 0), (0, 1)))
    return Grid((-np.diff(bounded, axis=1) / resolution).astype(np.float32), ranks)


def corners(ranks: Int[Array, "..."], belief: Float[Array, " kinds"]) -> tuple[Array, Array]:
    """Finds the simplex of the grid that holds a belief.

    Args:
        ranks: of the grid.
        belief: over its kinds; it sums to 1.

    Returns:
        int32[kinds], the places of its corners, and float[kinds], the weights, which sum to 1, that make the belief of
        them.
    """
    if belief.shape[0] == 1:
        return jnp.zeros(1, jnp.int32), jnp.ones(1)
    resolution = ranks.shape[0] - 1
    tails = jnp.minimum(resolution * jnp.cumsum(belief[::-1])[::-1][1:], resolution)
    base = jnp.floor(tails)
    rest = tails - base
    place = jnp.arange(len(rest))
    before = (rest > rest[:, None]) | ((rest == rest[:, None]) & (place < place[:, None]))
    order = before.sum(axis=1)  # of the remainders, the largest first: sorting is slower
    falling = (rest * (order == place[:, None])).sum(axis=1)
    weights = -jnp.diff(jnp.concatenate([jnp.ones(1), falling, jnp.zeros(1)]))
    raised = jnp.minimum(base + (order < jnp.arange(len(belief))[:, None]), resolution).astype(jnp.int32)
    return ranks[tuple(raised.T)], weights


def interpolate(
    ranks: Int[Array, "..."], values: Float[Array, " points"], weights: Float[Array, " kinds"]
) -> Float[Array, ""]:
    """Interpolates a function of beliefs, times the sum of what is given.

    Args:
        ranks: of the grid.
        values: of the function at its points.
        weights: at least 0; a belief that is not normalised.

    Returns:
        float[], the sum of the weights times the function at the belief that they are in proportion to; 0 where all
        are 0.
    """
    total = weights.sum()
    places, shares = corners(ranks, weights / jnp.where(total > 0, total, 1))
    return jnp.where(total > 0, total * (values[places] * shares).sum(), 0)

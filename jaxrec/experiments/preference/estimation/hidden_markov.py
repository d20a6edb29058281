"""Users learned without a network, by Baum-Welch: one kernel for all slates, or one for each direction of them.

The logs show 73 slates, too many for a kernel each of 36 x 36 numbers; slates of one direction share theirs. Which
slate of a direction is shown does not depend on the user, so that the slate counts as a part of what the user chose.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec.envs.preference import dynamics
from jaxrec.envs.preference.dynamics import BINS, DIRECTIONS, Users
from jaxrec.estimation import HiddenMarkov, Logs, baum_welch
from jaxrec.experiments.preference.estimation.beliefs import Beliefs, exactly

SECTORS = 12  # of 30 degrees; the first is around 0 degrees
ITERATIONS = 30  # held-out choices would have more; more know less of preferences, which were looked at
STRENGTH = 3.0  # transitions from each preference, counted as the kernel of all slates has them


def sector(slate: Array) -> Array:
    """int32[]: the direction of a slate (float[36]) in sectors; `SECTORS` for the uniform one, which has none."""
    east, north = slate @ DIRECTIONS[:, 0], slate @ DIRECTIONS[:, 1]
    turns = jnp.arctan2(north, east) / (2 * jnp.pi)
    number = jnp.floor((turns * SECTORS + 0.5) % SECTORS).astype(jnp.int32) % SECTORS
    return jnp.where(jnp.hypot(east, north) > 1e-3, number, SECTORS)


def fit_kernels(logs: Logs, users: Users) -> tuple[HiddenMarkov, HiddenMarkov]:
    """Learns where users begin and how slates move them.

    Args:
        logs: with slates and choices, such as those of `jaxrec.estimation.generate`.
        users: the choice model.

    Returns:
        A model with one kernel for all slates, float[1, 36, 36], and one with a kernel for each sector and one for the
        uniform slate, float[13, 36, 36]. The second begins where the first ends.
    """
    slates, shown = np.unique(np.asarray(logs.slates).reshape(-1, BINS), axis=0, return_inverse=True)
    numbered = logs.replace(choices=jnp.asarray(shown).reshape(logs.choices.shape) * BINS + logs.choices)
    pooled, _ = baum_welch(numbered.replace(actions=jnp.zeros_like(logs.choices)), _joint(slates, users), ITERATIONS)
    kinds = jax.vmap(sector)(jnp.asarray(slates))
    start = pooled.replace(shift=jnp.broadcast_to(pooled.shift, (SECTORS + 1, BINS, BINS)))
    by_kind = numbered.replace(actions=kinds[shown].reshape(logs.choices.shape))
    return pooled, baum_welch(by_kind, _joint(slates, users, kinds), ITERATIONS, start, STRENGTH).model


@jax.jit
def believed(model: HiddenMarkov, users: Users, logs: Logs, twins: Logs) -> Beliefs:
    """Computes beliefs by exact inference with learned kernels.

    Args:
        model: either of those of `fit_kernels`.
        users: the choice model.
        logs: of the users.
        twins: of the same users under uniform slates.

    Returns:
        Beliefs about each user.
    """

    def shift(slate: Array) -> Array:
        return model.shift[0 if len(model.shift) == 1 else sector(slate)]

    return exactly(logs, twins, users, model.prior, shift)


def _joint(slates: np.ndarray, users: Users, kinds: Array | None = None) -> Array:
    """float[kinds, 36, slates * 36]: P(slate and item | kind of slate, preference), each slate of a kind alike."""
    kinds, count = (jnp.zeros(len(slates), int), 1) if kinds is None else (kinds, SECTORS + 1)
    of_kind = jax.nn.one_hot(kinds, count, axis=0)
    shares = of_kind / jnp.maximum(of_kind.sum(axis=1, keepdims=True), 1)
    items = jax.vmap(dynamics.choices, in_axes=(0, None))(jnp.asarray(slates), users)
    return jnp.einsum("ks,sux->kusx", shares, items).reshape(count, BINS, -1)

"""The baselines of the paper (section 4.2.1; details from the authors' published program)."""

from collections.abc import Callable
from typing import Any, no_type_check

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Int

from jaxrec.envs.polarising.dynamics import CENTRE, LEFT, RIGHT
from jaxrec.policy import Stateless


class Random(Stateless):
    """Recommends a source drawn uniformly at every step."""

    def act(self, carry: tuple[()], obs: Array, key: Array) -> tuple[Array, tuple[()]]:
        """Draws a source.

        Args:
            carry: empty.
            obs: not read.
            key: a typed key, for the draw.

        Returns:
            (int32[] source, carry).
        """
        return _random_source(key), carry

    def probabilities(self, carry: tuple[()], obs: Array) -> tuple[Array, tuple[()]]:
        """Gives float[3], a third for each source, and the empty carry."""
        return jnp.full(3, 1 / 3), carry


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class AlwaysSource(Stateless):
    """Recommends the same source at every step.

    Attributes:
        source: int32[], 0 left, 1 centre, 2 right.
    """

    source: Int[Array, ""] | int

    def act(self, carry: tuple[()], obs: Array, key: Array) -> tuple[Array, tuple[()]]:
        """Gives the source.

        Args:
            carry: empty.
            obs: not read.
            key: not read.

        Returns:
            (int32[] source, carry).
        """
        return jnp.asarray(self.source, jnp.int32), carry

    def probabilities(self, carry: tuple[()], obs: Array) -> tuple[Array, tuple[()]]:
        """Gives float[3], 1 for the source, and the empty carry."""
        return (jnp.arange(3) == self.source).astype(float), carry


@no_type_check
class Bandit(Stateless):
    """Explores in the first third of the episode, then recommends the source with the highest mean reward so far.

    A source never recommended counts as 0.5, and ties go to the lowest index, as in the authors' published program.
    Section 4.2.1 says only "the source which has the highest mean reward in the episode so far".

    Attributes:
        exploration: int32[], the number of random recommendations; a third of the horizon, 10 of 30.
    """

    exploration: Int[Array, ""] | int

    def act(self, carry: tuple[()], obs: Array, key: Array) -> tuple[Array, tuple[()]]:
        """Explores, or chooses the best source so far.

        Args:
            carry: empty.
            obs: int32[6], recommendations and clicks so far.
            key: a typed key, for the draw.

        Returns:
            (int32[] source, carry).
        """
        return jnp.where(obs[:3].sum() < self.exploration, _random_source(key), _best_so_far(obs)), carry

    def probabilities(self, carry: tuple[()], obs: Array) -> tuple[Array, tuple[()]]:
        """Gives float[3], the probability of each source for one observation, and the carry as it is."""
        best = (jnp.arange(3) == _best_so_far(obs)).astype(float)
        return jnp.where(obs[:3].sum() < self.exploration, jnp.full(3, 1 / 3), best), carry


def _best_so_far(obs: Array) -> Array:
    """int32[]: the source with the highest mean reward, the first of several; 0.5 where it was never recommended."""
    recommended, clicked = obs[:3], obs[3:]
    mean = jnp.where(recommended == 0, 0.5, clicked / jnp.maximum(recommended, 1))
    return jnp.argmax(mean).astype(jnp.int32)


def _random_source(key: Array) -> Array:
    """int32[]: one of the three sources. `randint` draws twice, which halves the speed of a rollout."""
    return jnp.int32(3 * jax.random.uniform(key))


POLICIES: dict[str, Callable[[Any, Any], Any]] = {
    "random": lambda env, params: Random(),
    "bandit": lambda env, params: Bandit(env.horizon // 3),
    "always-left": lambda env, params: AlwaysSource(LEFT),
    "always-centre": lambda env, params: AlwaysSource(CENTRE),
    "always-right": lambda env, params: AlwaysSource(RIGHT),
}

"""Recommenders of the paper that need no learning."""

from collections.abc import Callable
from typing import Any, Protocol, no_type_check, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Int, PyTree

from jaxrec import checks
from jaxrec.envs.preference.dynamics import JUDGES, ChoiceValues, Offers
from jaxrec.envs.preference.exact import TIE
from jaxrec.policy import Stateless, evenly, one_of
from jaxrec.spaces import field_of


@no_type_check
class RandomSlate(Stateless):
    """Shows each slate equally often.

    Attributes:
        slates: float[slates, 36], of which only the shape is read.
    """

    slates: Array

    @property
    def num_actions(self) -> int:
        """The number of slates."""
        return self.slates.shape[-2]

    def act(self, carry: tuple[()], obs: PyTree, key: Array) -> tuple[Array, tuple[()]]:
        """Draws a slate.

        Args:
            carry: empty.
            obs: not read.
            key: a typed key, for the draw.

        Returns:
            (int32[] slate, carry).
        """
        return jax.random.randint(key, (), 0, self.slates.shape[0]), carry

    def probabilities(self, carry: tuple[()], obs: PyTree) -> tuple[Array, tuple[()]]:
        """Gives float[slates], the same for each slate, and the empty carry."""
        return jnp.full(self.num_actions, 1 / self.num_actions), carry


@no_type_check
class Myopic(Stateless):
    """Shows the slate with the highest expected utility of this step, given the belief about the user.

    Slates whose expectations differ by at most `exact.TIE` of the largest sum of absolute terms are shown equally
    often: rounding must not decide.

    Attributes:
        worth: float[slates, 36], the engagement or clicks expected of each slate under each preference.
    """

    worth: Array

    @property
    def num_actions(self) -> int:
        """The number of slates."""
        return self.worth.shape[-2]

    def act(self, carry: tuple[()], obs: PyTree, key: Array) -> tuple[Array, tuple[()]]:
        """Draws one of the best slates.

        Args:
            carry: empty.
            obs: `Beliefs`, or what has its field `current`.
            key: a typed key, for the draw.

        Returns:
            (int32[] slate, carry).
        """
        return one_of(self._best(obs), jax.random.uniform(key)), carry

    def probabilities(self, carry: tuple[()], obs: PyTree) -> tuple[Array, tuple[()]]:
        """Gives float[slates], the same for each of the best slates, and the empty carry."""
        return evenly(self._best(obs)), carry

    def _best(self, obs: PyTree) -> Array:
        """bool[slates]: those with the highest expectation."""
        current = field_of(obs, "current")
        expected, scale = self.worth @ current, jnp.abs(self.worth) @ current
        return expected >= expected.max() - TIE * scale.max()


@no_type_check
class Table(Stateless):
    """Looks up slates in a table over (time, u_0, u_t), such as `exact.optimal` returns; needs `observe_as="state"`.

    Attributes:
        shares: float[horizon, slates, 36, 36], the probability of each slate at each time, u_0 and u_t.
    """

    shares: Array

    @property
    def num_actions(self) -> int:
        """The number of slates."""
        return self.shares.shape[-3]

    def act(self, carry: tuple[()], obs: Int[Array, "3"], key: Array) -> tuple[Array, tuple[()]]:
        """Draws a slate by its probability.

        Args:
            carry: empty.
            obs: int32[3], time, u_0 and u_t.
            key: a typed key, for the draw.

        Returns:
            (int32[] slate, carry).
        """
        return jax.random.categorical(key, jnp.log(self._chosen(obs))).astype(jnp.int32), carry

    def probabilities(self, carry: tuple[()], obs: Int[Array, "3"]) -> tuple[Array, tuple[()]]:
        """Gives float[slates], the probability of each, and the empty carry."""
        chosen = self._chosen(obs)
        return chosen / chosen.sum(), carry

    def _chosen(self, obs: Int[Array, "3"]) -> Array:
        return self.shares[jnp.minimum(obs[0], self.shares.shape[0] - 1), :, obs[1], obs[2]]


@runtime_checkable
class Observed(Protocol):
    """What `myopic` reads of a society of slates, `PreferenceShift` or `LearnedUsers`."""

    observe_as: str
    counts: str

    def offers(self, params: ChoiceValues) -> Offers:
        """Tabulates choices, engagement and clicks of each slate."""
        ...


def myopic(env: Observed, params: ChoiceValues) -> Myopic:
    """Builds the myopic recommender for the utility that the environment counts, with these `ChoiceParams`.

    Raises:
        InputError: if the observation holds no beliefs.
    """
    if env.observe_as != "beliefs":
        raise checks.InputError(f'policy "myopic" needs observe_as="beliefs", got {env.observe_as!r}')
    offers = env.offers(params)
    return Myopic((offers.liked * JUDGES).sum(axis=-1) if env.counts == "dwell" else offers.click)


POLICIES: dict[str, Callable[[Any, Any], Any]] = {
    "random": lambda env, params: RandomSlate(env.slates),
    "myopic": myopic,
}

"""Users who stay: a population between two sessions, and how users leave it.

Lambert 2020, "Recommendations are a game - a dangerous game (for us)", section "Reinforcement Learning with Humans and
Computers in the Loop", has two framings: the user as part of the state, and the user as an agent. Both are here: what
users prefer is carried from session to session, and users choose whether to return, and to which platform.
"""

import jax.numpy as jnp
from flax import struct
from jax import Array
from jax.typing import ArrayLike

from jaxrec import checks
from jaxrec.utilities import Leaf

MAX_PLATFORMS = 16


class Population(struct.PyTreeNode):
    """The users between two sessions, and how they come and go.

    Attributes:
        preference: int32[users], the bin of what each prefers now.
        joined: int32[users], the bin of what it preferred when it joined.
        natural: int32[users], the bin of what it would prefer now, had it seen uniform slates since it joined.
        identity: int32[users] from 0, who each is: nobody else ever has the same number.
        sessions: int32[users], sessions since it joined. 0 for a user who joins with the next session: the three bins
            above are then not yet drawn.
        utility: float[users, platforms], engagement a step in the user's sessions on each platform, 0 before the first.
        visits: int32[users, platforms], these sessions.
        rate: float[] in [0, 1], the probability that a user leaves after a session of engagement 0.
        loyalty: float[] from 0, how much less likely users leave whom the session engaged (`leaving`).
        sharpness: float[] from 0, how strictly users choose the platform of the highest utility.
    """

    preference: Leaf
    joined: Leaf
    natural: Leaf
    identity: Leaf
    sessions: Leaf
    utility: Leaf
    visits: Leaf
    rate: Leaf
    loyalty: Leaf
    sharpness: Leaf

    @classmethod
    def of(
        cls,
        num_users: int,
        rate: ArrayLike = 0.0,
        loyalty: ArrayLike = 0.0,
        platforms: int = 1,
        sharpness: ArrayLike = 1.0,
    ) -> "Population":
        """Makes a population whose users all join with the first session.

        Args:
            num_users: users at a time, at least 1: for each who leaves another joins.
            rate: float[] in [0, 1], the probability that a user leaves after a session of engagement 0.
            loyalty: float[] from 0, how much less likely users leave whom the session engaged.
            platforms: 1 to 16.
            sharpness: float[] from 0, how strictly users choose the platform of the highest utility.

        Returns:
            The population before its first session.

        Raises:
            InputError: for a value out of range.
        """
        checks.positive("num_users", num_users, checks.MOST_STEPS)
        checks.positive("platforms", platforms, MAX_PLATFORMS)
        checks.within("rate", rate, 0.0, 1.0)
        for name, value in (("loyalty", loyalty), ("sharpness", sharpness)):
            checks.within(name, value, 0.0, checks.LARGEST)
        nobody, never = jnp.zeros(num_users, jnp.int32), jnp.zeros((num_users, platforms), jnp.int32)
        how = (jnp.asarray(value, float) for value in (rate, loyalty, sharpness))
        who = jnp.arange(num_users, dtype=jnp.int32)
        return cls(nobody, nobody, nobody, who, nobody, never.astype(float), never, *how)

    @property
    def num_users(self) -> int:
        """Users at a time."""
        return self.preference.shape[0]

    @property
    def platforms(self) -> int:
        """The number of platforms."""
        return self.utility.shape[1]


def leaving(utility: ArrayLike, rate: ArrayLike, loyalty: ArrayLike) -> Array:
    """Computes the probability that a user leaves after a session: rate^exp(loyalty * utility).

    It falls with the utility, is `rate` at a utility of 0 and at any where the loyalty is 0, and 0 or 1 where the rate
    is: minus its logarithm, the hazard, is in proportion to exp(loyalty * utility).

    Args:
        utility: float[...], engagement a step.
        rate: float[] in [0, 1].
        loyalty: float[] from 0.

    Returns:
        float[...].
    """
    return jnp.power(jnp.asarray(rate, float), jnp.exp(loyalty * jnp.asarray(utility, float)))

"""A recommender that sees the one number of a polarisable user that moves, and its best policy by plain recursion."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.utilities import Utilities

FACTORS = 1.01 + 0.09 * (np.arange(60) + 0.5) / 60  # the factor p, uniform between 1.01 and 1.10


@dataclasses.dataclass(unsafe_hash=True)
class KnownUsers(PolarisingUsers):
    """Shows the time and the bin of the largest click probability; pays its expectation in place of a click.

    Bins are equal in the logarithm between 0.05 and 0.75.
    """

    bins: int = 40

    def observe(self, state, params):
        place = jnp.log(state.theta.max() / 0.05) / jnp.log(0.75 / 0.05)
        return jnp.stack([state.time, jnp.clip(jnp.round(place * (self.bins - 1)).astype(jnp.int32), 0, self.bins - 1)])

    def utilities(self, state, action, next_state, params):
        inside = super().utilities(state, action, next_state, params)
        return Utilities(state.theta[action], inside.user, inside.society)

    @property
    def num_observations(self):
        return (self.horizon + 1) * self.bins

    def observation_index(self, obs):
        return obs[..., 0] * self.bins + obs[..., 1]


def of_user(env, theta, **changes):
    """The parameters of a world with this user alone."""
    return env.default_params.replace(population=np.array([theta]), **changes)


def best(env, theta):
    """float[observations, 3]: action values of the best recommender that knows the user, by backward induction."""
    centres = 0.05 * (0.75 / 0.05) ** (np.arange(env.bins) / (env.bins - 1))
    own, wing = int(np.argmax(theta)), np.argmax(theta) != 1
    after = np.minimum(centres[:, None] * FACTORS, 0.75) if wing else np.repeat(centres[:, None], 60, axis=1)
    values, q = np.zeros(env.bins), np.zeros((env.horizon + 1, env.bins, 3))
    for time in reversed(range(env.horizon)):
        for action in range(3):
            polarised = np.interp(after, centres, values).mean(axis=1) if wing and action == 2 - own else values
            q[time, :, action] = (centres if action == own else theta[action]) + polarised
        values = q[time].max(axis=1)
    return jnp.asarray(q.reshape(-1, 3), jnp.float32)

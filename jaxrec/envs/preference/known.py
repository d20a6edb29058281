"""A user of PreferenceShift whose preference is seen: the smallest observation that engagement depends on."""

import dataclasses
from typing import Literal

import jax.numpy as jnp
from jax import Array

from jaxrec import checks
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.envs.preference.env import PreferenceShift, PreferenceState
from jaxrec.envs.preference.params import PreferenceParams
from jaxrec.spaces import Box, Space


@dataclasses.dataclass(unsafe_hash=True)
class KnownPreference(PreferenceShift):
    """Show slates to a user whose current preference is seen: `PreferenceShift`, observed as time and u_t.

    Engagement under current preferences, and how they shift, depend on u_t alone, so that a table of few cells holds
    all that such a recommender can know. Where the reward counts engagement under initial or natural preferences,
    `observe_as="state"` of `PreferenceShift` is needed.

    Examples:
        >>> import jax
        >>> from jaxrec.envs.preference import KnownPreference
        >>> env = KnownPreference(horizon=3)
        >>> obs, state = env.reset(jax.random.key(0))
        >>> obs.shape, env.num_observations
        ((2,), 144)

    Attributes:
        observe_as: "state" and no other: what is observed is fixed.
    """

    observe_as: Literal["choices", "beliefs", "state"] = "state"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.observe_as != "state":
            raise checks.InputError(
                f'observe_as of KnownPreference must be "state", it shows time and u_t; got {self.observe_as!r}'
            )

    def observe(self, state: PreferenceState, params: PreferenceParams) -> Array:
        """int32[2]: time and u_t."""
        return jnp.stack([state.time, state.preference])

    def observation_space(self, params: PreferenceParams | None = None) -> Space:
        """The space of `observe`."""
        return Box(0, max(self.horizon, BINS - 1), (2,), jnp.int32)

    @property
    def num_observations(self) -> int:
        """(horizon + 1) * 36."""
        return (self.horizon + 1) * BINS

    def observation_index(self, obs: Array) -> Array:
        """int32[]: the rank of (time, u_t), in lexicographic order."""
        return obs[..., 0] * BINS + obs[..., 1]

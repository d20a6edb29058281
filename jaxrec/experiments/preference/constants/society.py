"""Users whose unpublished constants are all run-time values, so that hundreds of candidates share one program."""

import dataclasses
from typing import Any, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxrec.envs.preference import PreferenceParams, PreferenceShift, dynamics
from jaxrec.envs.preference.dynamics import JUDGES, Tables, Users, clipped_normal
from jaxrec.envs.preference.slates import SLATE_MEANS

READINGS = ("under the new preference", "under the old preference", "drawn from the belief")
"""How the item x in V(u, u') = E[lambda r(x, u) + (1 - lambda) r(x, u')] comes about."""


@no_type_check
class CandidateParams(PreferenceParams):
    """The run-time values of `PreferenceParams`, and these.

    Attributes:
        slate_means: float[slates], the means of the slates, degrees, 0 ... 360.
        reading: float[3], the weights of `READINGS` in V: which one it is, or a mixture; they sum to 1.
    """

    slate_means: np.ndarray | Array = struct.field(default_factory=lambda: np.array(SLATE_MEANS, np.float32))
    reading: np.ndarray | Array = struct.field(default_factory=lambda: np.array([1.0, 0.0, 0.0], np.float32))


@dataclasses.dataclass(unsafe_hash=True)
class CandidateUsers(PreferenceShift):
    """`PreferenceShift` with the means of its slates and the reading of V in `CandidateParams`."""

    @property
    def default_params(self) -> Any:
        """The candidate that is the default society."""
        return CandidateParams()

    def slates_of(self, params: Any) -> Array:
        """float[slates, 36]: bells around `params.slate_means`."""
        return jax.vmap(clipped_normal)(jnp.asarray(params.slate_means), jnp.asarray(self.deviations))

    def tables(self, params: Any) -> Tables:
        """Tabulates what each slate does, V read by `params.reading`."""
        weights = jnp.asarray(params.reading)

        def worth(belief: Array, users: Users, inertia: ArrayLike) -> Array:
            return mixture(belief, users, inertia, weights)

        return dynamics.tables(self.slates_of(params), params, worth)


def mixture(
    belief: Float[Array, "36"], users: Users, inertia: ArrayLike, reading: Float[Array, "3"]
) -> Float[Array, "36 36"]:
    """V(u, u') for all u (rows) and u', by the weights of `READINGS`; Carroll et al. 2022, Appendix H.1.

    Terms that are the same for every u' are left out where they are not needed: they do not change the choice of u'.

    Args:
        belief: the feed that users expect, a distribution over items.
        users: the choice model.
        inertia: lambda, float[] in [0, 1].
        reading: weights, which sum to 1.

    Returns:
        V, in cosines.
    """
    under_new = dynamics.convenience(belief, users, inertia)
    under_old = (1 - jnp.asarray(inertia)) * dynamics.choices(belief, users) @ users.items @ JUDGES.T
    drawn = (1 - jnp.asarray(inertia)) * (belief @ users.items) @ JUDGES.T
    return reading[0] * under_new + reading[1] * under_old + reading[2] * drawn

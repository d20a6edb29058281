"""Logs of users: what a recommender did, what it was paid, and what users saw and chose."""

import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.typing import ArrayLike

from jaxrec import checks
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.utilities import Leaf

PADDING = {
    "slates": 1 / BINS,
    "choices": 0,
    "actions": 0,
    "propensities": 1.0,
    "rewards": 0.0,
    "observations": 0,
    "valid": False,
}
"""Part -> its value after a user's last step."""


class Logs(struct.PyTreeNode):
    """The steps of users; each part but the first three may be missing (None), and `require` refuses where it is.

    Attributes:
        valid: bool[users, steps], False after a user's last step, where the others have the value in `PADDING`.
        policy: int32[users], the index in `policies` of the recommender.
        policies: the names of the recommenders.
        slates: float32[users, steps, 36], the probabilities of the items shown.
        choices: int32[users, steps], the bins of the items chosen.
        actions: int32[users, steps] from 0, what the recommender did.
        propensities: float32[users, steps] in (0, 1], the probability that it gave to this action; NaN where unknown.
        rewards: float32[users, steps], what it was paid.
        observations: float32 or int32[users, steps, n], what it observed, as one vector.
        identity: int32[users] from 0, who it is: sessions of the same user are rows with the same. Each row is another
            user where it is missing.
    """

    valid: Leaf
    policy: Leaf
    policies: tuple[str, ...] = struct.field(pytree_node=False)
    slates: Leaf = None  # type: ignore[assignment]  # here and below: readers call `require`
    choices: Leaf = None  # type: ignore[assignment]
    actions: Leaf = None  # type: ignore[assignment]
    propensities: Leaf = None  # type: ignore[assignment]
    rewards: Leaf = None  # type: ignore[assignment]
    observations: Leaf = None  # type: ignore[assignment]
    identity: Leaf = None  # type: ignore[assignment]

    @property
    def num_users(self) -> int:
        """The number of users; of their sessions, where each is a row."""
        return self.valid.shape[-2]

    @property
    def num_steps(self) -> int:
        """The steps of the longest trajectory."""
        return self.valid.shape[-1]

    @property
    def parts(self) -> dict[str, Leaf]:
        """The parts with an axis of steps that are not missing, by name."""
        return {name: value for name in PADDING if (value := getattr(self, name)) is not None}

    def require(self, *names: str, reader: str) -> "Logs":
        """Gives these logs back.

        Args:
            *names: of parts, such as "rewards".
            reader: who needs them, for the message.

        Raises:
            InputError: if one is missing, or a propensity is unknown where they are named.
        """
        for name in names:
            if getattr(self, name) is None:
                raise checks.InputError(f"logs must have {name} for {reader}, got {', '.join(self.parts)} alone")
        if "propensities" in names:
            unknown = np.isnan(np.asarray(self.propensities)) & np.asarray(self.valid)
            if unknown.any():
                user, step = np.argwhere(unknown)[0]
                raise checks.InputError(
                    f"logs must have propensities for {reader}, got none of user {user} in step {step}"
                )
        return self

    def only(self, *names: str, reader: str) -> "Logs":
        """Drops other parts than these, and names of any kind: with them, what reads these would compile anew.

        Args:
            *names: of parts, such as "slates".
            reader: who needs them, for the message.

        Raises:
            InputError: if one is missing.
        """
        dropped = dict.fromkeys(name for name in self.parts if name not in (*names, "valid"))
        return self.require(*names, reader=reader).replace(policies=(), identity=None, **dropped)

    def select(self, users: slice | ArrayLike) -> "Logs":
        """Gives the logs of some users, by a slice or by an array of integers or bools."""
        return self.replace(
            policy=self.policy[users],
            identity=None if self.identity is None else self.identity[users],
            **{name: value[users] for name, value in self.parts.items()},
        )

    def split(self, first: int) -> tuple["Logs", "Logs"]:
        """Divides the users into the first ones and the others, such as for training and validation.

        Raises:
            InputError: unless both have at least one user.
        """
        checks.within("first", first, 1, self.num_users - 1)
        return self.select(slice(first)), self.select(slice(first, None))

    def padded(self, steps: int) -> "Logs":
        """Pads the logs to `steps` steps for every user.

        Raises:
            InputError: if a trajectory is longer.
        """
        missing = steps - self.num_steps
        if missing < 0:
            raise checks.InputError(f"logs have {self.num_steps} steps, the model a horizon of {steps}")

        def pad(name: str, value: Leaf) -> Leaf:
            before, after = self.valid.ndim - 1, value.ndim - self.valid.ndim  # axes
            widths = [*[(0, 0)] * before, (0, missing), *[(0, 0)] * after]
            return jnp.pad(value, widths, constant_values=PADDING[name])

        return self.replace(**{name: pad(name, value) for name, value in self.parts.items()})


def nobody(steps: int) -> Logs:
    """Makes the logs of one user without any valid step."""
    return Logs(
        slates=jnp.full((1, steps, BINS), 1 / BINS),
        choices=jnp.zeros((1, steps), jnp.int32),
        valid=jnp.zeros((1, steps), bool),
        policy=jnp.zeros(1, jnp.int32),
        policies=(),
    )

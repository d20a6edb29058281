"""Logs of the slates that users saw and of the items that they chose."""

import jax.numpy as jnp
from flax import struct
from jax.typing import ArrayLike

from jaxrec import checks
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.utilities import Leaf


class Logs(struct.PyTreeNode):
    """The slates and the choices of each user.

    Attributes:
        slates: float32[users, steps, 36], the probabilities of the items shown.
        choices: int32[users, steps], the bins of the items chosen.
        valid: bool[users, steps], False after a user's last step, where slates are uniform and choices 0.
        policy: int32[users], the index in `policies` of the recommender.
        policies: the names of the recommenders.
    """

    slates: Leaf
    choices: Leaf
    valid: Leaf
    policy: Leaf
    policies: tuple[str, ...] = struct.field(pytree_node=False)

    @property
    def num_users(self) -> int:
        """The number of users."""
        return self.valid.shape[0]

    @property
    def num_steps(self) -> int:
        """The steps of the longest trajectory."""
        return self.valid.shape[1]

    def select(self, users: slice | ArrayLike) -> "Logs":
        """Gives the logs of some users, by a slice or by an array of integers or bools."""
        return self.replace(
            slates=self.slates[users],
            choices=self.choices[users],
            valid=self.valid[users],
            policy=self.policy[users],
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
        each = ((0, 0), (0, missing))
        return self.replace(
            slates=jnp.pad(self.slates, (*each, (0, 0)), constant_values=1 / BINS),
            choices=jnp.pad(self.choices, each),
            valid=jnp.pad(self.valid, each),
        )


def nobody(steps: int) -> Logs:
    """Makes the logs of one user without any valid step."""
    return Logs(
        slates=jnp.full((1, steps, BINS), 1 / BINS),
        choices=jnp.zeros((1, steps), jnp.int32),
        valid=jnp.zeros((1, steps), bool),
        policy=jnp.zeros(1, jnp.int32),
        policies=(),
    )

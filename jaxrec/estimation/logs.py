"""What users were shown and what they chose."""

from typing import Any

import jax.numpy as jnp
from flax import struct

from jaxrec import checks
from jaxrec.envs.preference.dynamics import BINS


class Logs(struct.PyTreeNode):
    """What each user was shown and chose.

    Attributes:
        slates: float32[users, steps, 36], the probabilities of the items shown.
        choices: int32[users, steps], the bins of the items chosen.
        valid: bool[users, steps], False after a user's last step, where slates are uniform and choices 0.
        policy: int32[users], which of `policies` showed them.
        policies: the names of the recommenders.
    """

    slates: Any
    choices: Any
    valid: Any
    policy: Any
    policies: tuple[str, ...] = struct.field(pytree_node=False)

    @property
    def num_users(self) -> int:
        """How many users there are."""
        return self.valid.shape[0]

    @property
    def num_steps(self) -> int:
        """The steps of the longest trajectory."""
        return self.valid.shape[1]

    def select(self, users: Any) -> "Logs":
        """The logs of some users: a slice, or int or bool[...] as in indexing an array."""
        return self.replace(
            slates=self.slates[users],
            choices=self.choices[users],
            valid=self.valid[users],
            policy=self.policy[users],
        )

    def split(self, first: int) -> tuple["Logs", "Logs"]:
        """The first users, and the others; for training and validation, say.

        Raises:
            InputError: unless both have at least one user.
        """
        checks.within("first", first, 1, self.num_users - 1)
        return self.select(slice(first)), self.select(slice(first, None))

    def padded(self, steps: int) -> "Logs":
        """The same with `steps` steps for everybody.

        Raises:
            InputError: if a trajectory is longer than that.
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
    """The logs of one user of whom nothing is known: no step is valid."""
    return Logs(
        slates=jnp.full((1, steps, BINS), 1 / BINS),
        choices=jnp.zeros((1, steps), jnp.int32),
        valid=jnp.zeros((1, steps), bool),
        policy=jnp.zeros(1, jnp.int32),
        policies=(),
    )

"""What an observation says of actions: which of them are valid, and whether one is asked for at all.

Agents read two fields of observations that have them. `action_mask`, bool[actions]: only actions for which it is true
have a probability; where it is true for none, all have. `requested`, bool[]: where it is false no action is read, and
nothing is learned from the one taken.

Such an observation is a dict, a named tuple or any structure with attributes, such as a `PyTreeNode`. The fields must
be its own: further down, say in a dict within a dict, they are refused, and so are other shapes and dtypes.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.spaces import field_of

IMPOSSIBLE = -1e9  # a logit whose probability is 0, and whose entropy is no NaN

Seen = Array | np.ndarray | jax.ShapeDtypeStruct


def distribution(logits: Array, obs: PyTree) -> Any:
    """A `distrax.Categorical` over the valid actions; over all, where the observation has no mask or it allows none.

    Raises:
        InputError: for a mask that is not of bool, or not one of each action.
    """
    import distrax

    return distrax.Categorical(logits=masked(logits, obs))


def masked(logits: Array, obs: PyTree) -> Array:
    """The logits, those of invalid actions `IMPOSSIBLE`.

    Raises:
        InputError: for a mask that is not of bool, or not one of each action.
    """
    mask = field_of(obs, "action_mask", None)
    if mask is None:
        return logits
    _check_field("action_mask", mask, logits.shape)
    return jnp.where(mask | ~mask.any(axis=-1, keepdims=True), logits, IMPOSSIBLE)


def check(obs: PyTree, actions: tuple[int, ...], name: str) -> None:
    """Raises InputError unless an observation, or its shapes, has these fields as agents read them or not at all.

    Args:
        obs: the observation.
        actions: the shape of the logits.
        name: of the environment.
    """
    shapes = {"action_mask": actions, "requested": ()}
    for field, shape in shapes.items():
        _check_field(field, field_of(obs, field, None), shape)
    for path, _ in jax.tree_util.tree_leaves_with_path(obs):
        field = jax.tree_util.keystr(path[-1:], simple=True)
        if len(path) > 1 and field in shapes:
            raise checks.InputError(
                f"{field} must be a field of what {name} observes itself, got it at {jax.tree_util.keystr(path)}"
            )


def _check_field(name: str, value: Seen | None, shape: tuple[int, ...]) -> None:
    """Raises InputError unless the field is missing, or of bool and of this shape."""
    if value is not None and (value.shape, value.dtype) != (shape, bool):
        raise checks.InputError(f"{name} must be bool{list(shape)}, got {value.dtype}{list(value.shape)}")

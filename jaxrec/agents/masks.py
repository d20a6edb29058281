"""What an observation says of actions: which of them are valid, and whether one is asked for at all.

Agents read two fields of observations that have them. `action_mask`, bool[actions]: only actions for which it is true
have a probability; where it is true for none, all have. `requested`, bool[]: where it is false no action is read, and
nothing is learned from the one taken. Where actions are slates, `action_mask` is bool[items]: items for which it is
false come after all others, and so are in no slate where enough items are valid.

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
from jaxrec.agents.distributions import Categorical, PlackettLuce
from jaxrec.environment import Environment
from jaxrec.slates import Slate
from jaxrec.spaces import field_of

IMPOSSIBLE = -1e9  # a logit whose probability is 0, and whose entropy is no NaN

Seen = Array | np.ndarray | jax.ShapeDtypeStruct


def distribution(logits: Array, obs: PyTree, size: int | None = None) -> Any:
    """Gives the distribution of actions.

    Args:
        logits: float[..., actions], or the scores of the items that slates are made of.
        obs: the observations.
        size: the places of a slate, where actions are slates; else None.

    Returns:
        A `Categorical` over the valid actions; over all, where the observation has no mask or it allows none.
        For slates a `PlackettLuce`.

    Raises:
        InputError: for a mask that is not of bool, or not one of each action.
    """
    if size is not None:
        return PlackettLuce(logits, masked(jnp.zeros_like(logits), obs) == 0, size)
    return Categorical.of(masked(logits, obs))


def judged(logits: Array, obs: PyTree, action: Array, size: int | None = None) -> tuple[Array, Array]:
    """Gives the log-probability of actions, and the entropy where they were chosen.

    Args:
        logits: float[..., actions], or the scores of items.
        obs: the observations.
        action: int32[...], or [..., size] for slates.
        size: the places of a slate, where actions are slates; else None.

    Returns:
        float[...] each; the entropy of slates is estimated from `action` (`PlackettLuce.entropy`).
    """
    chosen = distribution(logits, obs, size)
    return chosen.log_prob(action), chosen.entropy() if size is None else chosen.entropy(action)


def slate_size(env: Environment) -> int | None:
    """Gives the places of a slate where the actions of `env` are slates, else None."""
    space = env.action_space(env.default_params)
    return space.k if isinstance(space, Slate) else None


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

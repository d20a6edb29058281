"""Spaces and their elements, from jaxrec's to Gymnasium's and NumPy's.

| jaxrec | Gymnasium | element |
|---|---|---|
| `Discrete(n)` | `Discrete(n)` | np.int64 |
| `Box` of one truth value, or of one integer from 0 on | `Discrete` | np.int64 |
| `Box` of truth values | `MultiBinary` | int8 array |
| `Box` of one other number | `Box` of shape [1] | array [1]: learners flatten observations, and a scalar has no axis |
| `Box` | `Box` of the same bounds, shape and dtype | array |
| `Slate(n, k)` | `MultiDiscrete([n] * k)`, which cannot say that no item stands twice | int64 array [k] |
| `Fields` | `Dict` | dict |

A learner of Gymnasium may so give a slate with an item twice: `no_repeats` makes a slate of it, as the environments do.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.slates import Slate
from jaxrec.spaces import Box, Discrete, Fields, Space, field_of


def to_gymnasium(space: Space) -> spaces.Space[Any]:
    """Converts a space of jaxrec to the one of Gymnasium by the table of this module.

    Raises:
        InputError: for a space of another class, which has no counterpart.
    """
    if isinstance(space, Fields):
        return spaces.Dict({name: to_gymnasium(each) for name, each in space.fields.items()})
    if isinstance(space, Discrete):
        return spaces.Discrete(int(space.n))
    if isinstance(space, Slate):
        return spaces.MultiDiscrete([space.n] * space.k)
    if not isinstance(space, Box):
        raise checks.InputError(f"space must be Discrete, Box, Slate or Fields, got {checks.brief(space)}")
    if _is_discrete(space):
        return spaces.Discrete(1 + int(np.asarray(space.high)))
    if space.dtype == bool:
        return spaces.MultiBinary(space.shape)
    low, high = (np.broadcast_to(np.asarray(bound), space.shape or (1,)) for bound in (space.low, space.high))
    dtype = _dtype(space)
    if dtype.kind == "f":  # of integers an infinite bound says that there is none
        low, high = low.astype(dtype), high.astype(dtype)
    return spaces.Box(low, high, space.shape or (1,), dtype.type)


def to_numpy(space: Space, value: PyTree, batch: tuple[int, ...] = ()) -> Any:
    """Converts an element of `space` to the one of `to_gymnasium(space)`.

    Args:
        space: of the element.
        value: an element, or a batch of them.
        batch: the leading axes of the leaves: () for one element, [num_envs] for a batch.

    Returns:
        NumPy values of their own, which may be written to: scalars np.int64, arrays, or a dict of them; all with the
        leading axes.
    """
    if isinstance(space, Fields):
        return {name: to_numpy(each, field_of(value, name), batch) for name, each in space.fields.items()}
    if isinstance(space, Discrete) or (isinstance(space, Box) and _is_discrete(space)):
        return np.array(value, np.int64) if batch else np.int64(value)
    if isinstance(space, Slate):
        return np.array(value, np.int64)
    assert isinstance(space, Box)
    return np.array(value, np.int8 if space.dtype == bool else _dtype(space)).reshape((*batch, *(space.shape or (1,))))


def to_jax(space: Space, value: Any, batch: tuple[int, ...] = ()) -> PyTree:
    """Converts an element of `to_gymnasium(space)` to one of `space`, unchecked.

    Args:
        space: of the element.
        value: an element, or a batch of them.
        batch: the leading axes of the leaves: () for one element, [num_envs] for a batch.

    Returns:
        NumPy arrays of the dtypes of `space`; a dict of them for `Fields`.
    """
    if isinstance(space, Fields):
        return {name: to_jax(each, value[name], batch) for name, each in space.fields.items()}
    given, (shape, dtype) = np.asarray(value), (getattr(space, name) for name in ("shape", "dtype"))
    if given.dtype.kind != np.dtype(dtype).kind and given.dtype.kind not in "biu":
        raise checks.InputError(f"action must be of {np.dtype(dtype)}, got {given.dtype}")
    if given.size != np.prod((*batch, *shape), dtype=int):
        raise checks.InputError(f"action must be of shape {[*batch, *shape]}, got {list(given.shape)}")
    return np.asarray(given.astype(dtype)).reshape((*batch, *shape))


def no_repeats(space: Space, actions: PyTree) -> PyTree:
    """Makes slates, int32[num_envs, k], of integers that may have repeats (`Slate.nearest`); other actions stay.

    Args:
        space: the action space.
        actions: leaves [num_envs, ...].

    Returns:
        Elements of the space, if the actions are but for repeats.
    """
    if not isinstance(space, Slate) or not (np.diff(np.sort(actions, axis=-1), axis=-1) == 0).any():
        return actions
    return np.asarray(_slates(space.n, space.k, jnp.asarray(actions)))


@partial(jax.jit, static_argnames=("n", "k"))
def _slates(n: int, k: int, actions: jax.Array) -> jax.Array:
    return jax.vmap(Slate(n, k).nearest)(actions)


def _is_discrete(space: Box) -> bool:
    """Tells whether a box holds one truth value, or one integer from 0 to a bound."""
    if space.shape or space.dtype.kind not in "biu":
        return False
    return space.dtype == bool or (np.asarray(space.low) == 0 and bool(np.isfinite(np.asarray(space.high, float))))


def _dtype(space: Box) -> np.dtype:
    """Gives the dtype of arrays in NumPy, which has no bfloat16."""
    return space.dtype if space.dtype.kind in "iuf" else np.dtype(np.float32)

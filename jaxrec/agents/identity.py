"""What decides about the states of a training, as a text that is the same in every process that trains the same."""

import hashlib
import inspect
import re
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def identity(evaluate: Callable[..., Any] | None = None, **parts: Any) -> str:
    """Of PyTrees, and of the function that scores: structure and what is static as they print, arrays by a digest."""
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):  # NumPy else leaves out numbers, and digits
        text = "; ".join(f"{name} {_described(tree)}" for name, tree in parts.items() if tree is not None)
        if evaluate:
            text += f"; scored by {evaluate!r} with {_described(_enclosed(evaluate))}"
    # The class of a script is of another module where that is imported; all lies elsewhere in every process.
    text = re.sub(r"<(?:[\w<>]+\.)+(\w+) object at", r"<\1 object at", text)
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def differing(text: str, other: str, around: int = 60) -> tuple[str, str]:
    """Both about where they first differ, in one short line each."""
    first = next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))
    start = max(0, first - around)
    one, two = (" ".join(each[start : first + around].split()) for each in (text, other))
    return one, two


def _described(tree: Any) -> str:
    leaves, structure = jax.tree.flatten(tree)
    return f"{structure} of {', '.join(map(_leaf, leaves))}"


def _leaf(leaf: Any) -> str:
    if not isinstance(leaf, jax.Array | np.ndarray):
        return repr(leaf)
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    values = np.ascontiguousarray(leaf)
    return f"{values.dtype}{list(leaf.shape)} {hashlib.sha256(values.tobytes()).hexdigest()[:16]}"


def _enclosed(function: Callable[..., Any]) -> Any:
    """What a function was made with, besides its code."""
    if not inspect.isfunction(function):
        return ()
    return inspect.getclosurevars(function).nonlocals, function.__defaults__, function.__kwdefaults__

"""Random numbers: the generators that keys may be of, and a small one that loops carry.

Which is the default for what, and why:

- Keys of studies, trainings and rollouts are of threefry, JAX's own: its statistics are the best known, and committed
  results were drawn by it.
- A key of `HASH` in its place, `key(seed, "hash")`, lets the same programs launch fewer kernels on a GPU, and compiles
  sooner. No GPU has timed it yet.
- `simulate` carries xoshiro128++ (`seed`, `draw`): on a CPU it costs least of the three for each number, but a number
  is known by those before it alone, and not by its index.
"""

from collections.abc import Hashable

import jax
from jax import Array
from jax.typing import ArrayLike

from jaxrec import checks
from jaxrec.random.hashed import HASH
from jaxrec.random.shuffled import order
from jaxrec.random.xoshiro import STATE_WORDS, draw, seed

__all__ = ["GENERATORS", "HASH", "STATE_WORDS", "draw", "key", "order", "seed"]

GENERATORS: dict[str, Hashable] = {"threefry": "threefry2x32", "hash": HASH}
"""What JAX calls the generators that a key may be of, by their names here."""


def key(seed: ArrayLike, generator: str = "threefry") -> Array:
    """Makes a typed key.

    Args:
        seed: an integer.
        generator: "threefry", or "hash".

    Returns:
        The key, which every reset, step, policy and agent draws from.

    Raises:
        InputError: for another generator.
    """
    return jax.random.key(seed, impl=checks.lookup(GENERATORS, generator, "generator"))

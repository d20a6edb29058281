"""How JAX's own random numbers are compiled on a CPU: as straight code in place of a loop, with the same bits."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend.random import threefry2x32_p
from jax.interpreters import mlir

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA
"""Of the key's words: Salmon, Moraes, Dror & Shaw 2011, "Parallel Random Numbers: As Easy as 1, 2, 3", section 2."""


def unroll() -> bool:
    """Lets programs that JAX traces from now on draw by straight code on a CPU.

    There JAX writes the 20 rounds of threefry as a loop, which XLA compiles to ten kernels for each draw; elsewhere JAX
    unrolls them itself. The numbers are the same, bit for bit, and programs run as fast; PPO in the rewiring game
    compiles in 0.8 to 0.9 of the time. It holds for all programs of the process. Where JAX is told to leave out most
    optimisations the loop compiles sooner, and stays.

    Returns:
        Whether it is so.
    """
    if jax.config.read("jax_disable_most_optimizations"):
        return False
    mlir.register_lowering(threefry2x32_p, mlir.lower_fun(_straight, multiple_results=True), platform="cpu")
    return True


def _straight(key1: Array, key2: Array, count1: Array, count2: Array) -> tuple[Array, Array]:
    """Threefry-2x32 with 20 rounds: uint32 each, broadcast."""
    keys = key1, key2, key1 ^ key2 ^ jnp.uint32(PARITY)
    left, right = count1 + keys[0], count2 + keys[1]
    for group in range(5):
        for places in ROTATIONS[group % 2]:
            left = left + right
            right = left ^ (right << jnp.uint32(places) | right >> jnp.uint32(32 - places))
        left = left + keys[(group + 1) % 3]
        right = right + keys[(group + 2) % 3] + jnp.uint32(group + 1)
    return left, right

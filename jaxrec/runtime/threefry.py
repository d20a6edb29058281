"""How JAX's own random numbers are compiled on a CPU: as straight code in place of a loop, with the same bits."""

from typing import Any

import jax
from jax.extend.mlir import ir
from jax.extend.mlir.dialects import stablehlo as hlo
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
    mlir.register_lowering(threefry2x32_p, _straight, platform="cpu")
    return True


def _straight(ctx: Any, *words: Any) -> list[Any]:
    """Threefry-2x32 with 20 rounds, uint32 each. Not traced: a program draws dozens of times, and each took 10 ms."""
    shape, word = ctx.avals_out[0].shape, ir.IntegerType.get_unsigned(32)
    of_shape = ir.RankedTensorType.get(shape, word)

    def constant(number: int) -> Any:
        return hlo.constant(ir.DenseElementsAttr.get_splat(of_shape, ir.IntegerAttr.get(word, number)))

    def broadcast(value: Any, own: tuple[int, ...]) -> Any:
        last = ir.DenseI64ArrayAttr.get(range(len(shape) - len(own), len(shape)))
        return value if own == shape else hlo.broadcast_in_dim(of_shape, value, last)

    key1, key2, left, right = (broadcast(each, aval.shape) for each, aval in zip(words, ctx.avals_in, strict=True))
    keys = key1, key2, hlo.xor(hlo.xor(key1, key2), constant(PARITY))
    places = {number: constant(number) for each in ROTATIONS for left_by in each for number in (left_by, 32 - left_by)}
    left, right = hlo.add(left, keys[0]), hlo.add(right, keys[1])
    for group in range(5):
        for by in ROTATIONS[group % 2]:
            left = hlo.add(left, right)
            turned = hlo.or_(hlo.shift_left(right, places[by]), hlo.shift_right_logical(right, places[32 - by]))
            right = hlo.xor(left, turned)
        left = hlo.add(left, keys[(group + 1) % 3])
        right = hlo.add(hlo.add(right, keys[(group + 2) % 3]), constant(group + 1))
    return [left, right]

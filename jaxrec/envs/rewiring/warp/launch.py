"""How a kernel of Pallas is launched, one warp for each society; a CPU interprets it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.experimental import pallas
from jax.experimental.pallas import triton

from jaxrec import checks
from jaxrec.fusion import by_platform


def in_place(kernel: Callable[..., None], read: Sequence[Array], changed: Sequence[Array]) -> list[Array]:
    """Runs a kernel on the arrays of one society; under `vmap` on those of many, a warp for each.

    It computes in 32 bits, under x64 too.

    Args:
        kernel: (whether it is interpreted, references to `read`, then twice to `changed`) -> None; the references that
            come last are those to write to, and to read what it wrote.
        read: what it reads.
        changed: what it changes, where it lies.

    Returns:
        The arrays of `changed` afterwards.

    Raises:
        InputError: under x64 on a CPU: JAX interprets kernels in 32 bits alone.
    """
    if jax.default_backend() == "cpu" and jnp.result_type(float) == jnp.float64:
        raise checks.InputError(
            "engine 'pallas' is for GPUs; on a CPU JAX interprets it in 32 bits alone, not with x64"
        )

    def launched(*arrays: Array, interpret: bool) -> Any:
        with jax.enable_x64(False):  # Pallas mixes integers of both sizes
            return pallas.pallas_call(
                partial(kernel, interpret),
                out_shape=[jax.ShapeDtypeStruct(one.shape, one.dtype) for one in arrays[len(read) :]],
                input_output_aliases={len(read) + place: place for place in range(len(changed))},
                compiler_params=triton.CompilerParams(num_warps=1, num_stages=1),
                interpret=interpret,
            )(*arrays)

    arrays = map(_in_32_bits, (*read, *changed))
    after = by_platform(*arrays, cpu=partial(launched, interpret=True), default=partial(launched, interpret=False))
    return [one.astype(before.dtype) for one, before in zip(after, changed, strict=True)]


def _in_32_bits(array: Array) -> Array:
    return array.astype(jnp.float32) if array.dtype == jnp.float64 else array

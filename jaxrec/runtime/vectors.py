"""How wide the vectors are that XLA computes with on a CPU."""

import os
from importlib.metadata import version

from jaxrec.runtime.hardware import cpu_features

FLAG = "--xla_cpu_prefer_vector_width"
SINCE, BEFORE = (0, 7), (0, 13)
"""Versions of jaxlib, of which the oldest and the newest were tried: XLA ends the process at a flag that it has not."""


def widen() -> bool:
    """Lets XLA compute with vectors of 512 bits where the CPU has them (AVX-512); by itself it takes 256.

    It is asked by `XLA_FLAGS`, which it reads as JAX first computes; later this changes nothing. What stands there
    already stays.

    Returns:
        Whether it is asked.
    """
    flags, jaxlib = os.environ.get("XLA_FLAGS", ""), tuple(map(int, version("jaxlib").split(".")[:2]))
    if FLAG in flags or not SINCE <= jaxlib < BEFORE or "avx512f" not in cpu_features().split():
        return False
    os.environ["XLA_FLAGS"] = f"{flags} {FLAG}=512".strip()
    return True

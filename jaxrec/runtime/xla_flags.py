"""What XLA is asked for on a CPU: vectors, wide ones, and less work where little is gained by it."""

import os
from importlib.metadata import entry_points, version

from jaxrec.runtime.hardware import cpu_features

WIDTH = "--xla_cpu_prefer_vector_width"
SINCE, BEFORE = (0, 7), (0, 13)
"""Versions of jaxlib that have both, the oldest and newest of them tried: a flag that XLA has not ends the process."""

LEVEL = "--xla_backend_optimization_level"
"""Of LLVM. At 2 what was timed runs 0.99 to 1.35 times as fast as at XLA's own 3: rollouts most, PPO hardly
(`benchmarks.generators`). A GPU's programs read it too."""

UNROLL = "--xla_backend_extra_options"
LEAST = "-unroll-full-max-count=4"
"""Of LLVM too: loops of more rounds stay loops. It writes those of up to about 30 out before it looks for vectors, and
then computes `tanh` and `exp` of arrays whose last axis is so short, such as the layers of a network, number by number:
6 times as slowly. A GPU's programs read it too."""


def tried() -> bool:
    """Tells whether the version of jaxlib is one of those."""
    return SINCE <= tuple(map(int, version("jaxlib").split(".")[:2])) < BEFORE


BRIEFLY: dict[str, str | bool] = {"xla_cpu_use_fusion_emitters": False} if tried() else {}
"""Compiler options of programs that run seldom or for a moment, on a CPU: the start of a training in the rewiring game
compiles in three quarters of the time so, and runs 1.0 to 1.3 times as long. Other devices do not read them. Programs
within others cannot have any."""


def tune() -> tuple[str, ...]:
    """Asks for vectors of 512 bits where the CPU has them, for LLVM's level 2, and for vectors along short axes.

    XLA by itself takes 256 bits of AVX-512, level 3, and numbers one by one along short axes. It reads `XLA_FLAGS`, by
    which it is asked, as JAX first computes; later this changes nothing. What stands there already stays. Level and
    axes stay XLA's where JAX has plugins for other devices.

    Returns:
        The flags that were added.
    """
    given, wanted = os.environ.get("XLA_FLAGS", ""), {}
    if tried() and "avx512f" in cpu_features().split():
        wanted[WIDTH] = 512
    if not entry_points(group="jax_plugins"):
        wanted[LEVEL] = 2
        if tried():
            wanted[UNROLL] = LEAST
    added = tuple(f"{flag}={value}" for flag, value in wanted.items() if flag not in given)
    if added:
        os.environ["XLA_FLAGS"] = " ".join([given, *added]).strip()
    return added

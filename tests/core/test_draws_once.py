"""Programs compiled as users' are: each draw belongs to one kernel, where XLA would repeat it in all that read it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import pytest

import jaxrec

MOST_KERNELS = 24
"""That draw, in a rollout: they are 6 to 21. One more reader of a draw is one more kernel, and a state has 10 to 30."""
MANY = 15  # of the 20 rounds of threefry, an exclusive or each


def drawing_kernels(env_id):
    """Counts the kernels of a rollout that hold a generator of random numbers."""
    from jaxrec.runtime import threefry, xla_flags

    xla_flags.tune()
    threefry.unroll()
    env, params = jaxrec.make(env_id)
    play = jax.jit(lambda key, params: jaxrec.rollout(env, env.policy("random"), key, 16, 8, params))
    program = play.lower(jax.random.key(0), params).compile().as_text()
    return sum(kernel.count(" xor(") >= MANY for kernel in re.split(r"\n\n", program))


@pytest.mark.parametrize(
    "env_id",
    [
        env_id if env_id.startswith("RewiringGame") else pytest.param(env_id, marks=pytest.mark.slow)
        for env_id in jaxrec.registered_envs()
    ],
)
def test_each_number_is_drawn_once(env_id):
    """A restart once drew its start for each field of the state, and each kernel that read an action chose it anew."""
    script = f"from test_draws_once import drawing_kernels; print(drawing_kernels('{env_id}'))"
    usual = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "0", "XLA_FLAGS": "", "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run([sys.executable, "-c", script], env=os.environ | usual, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-800:]
    assert 1 <= int(done.stdout) <= MOST_KERNELS, done.stdout

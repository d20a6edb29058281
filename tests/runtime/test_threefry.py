"""Straight code of threefry: known answers, and the bits of JAX's own loop."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.random import threefry2x32_p

from jaxrec.cli import main
from jaxrec.runtime import threefry

DRAWS = {
    "bits": lambda key: jax.random.bits(key, (5, 7)),
    "narrow": lambda key: jax.random.bits(key, (11,), "uint8"),
    "split": lambda key: jax.random.key_data(jax.random.split(key, 9)),
    "fold_in": lambda key: jax.random.key_data(jax.random.fold_in(key, 2**31)),
    "of many keys": lambda key: jax.vmap(lambda key: jax.random.randint(key, (3,), 0, 1000))(jax.random.split(key, 4)),
    "normal": lambda key: jax.random.normal(key, (6,)),
    "permutation": lambda key: jax.random.permutation(key, 20),
    "in a loop": lambda key: jax.lax.scan(
        lambda key, _: (jax.random.split(key)[0], jax.random.uniform(key)), key, length=5
    )[1],
    "none": lambda key: jax.random.bits(key, (0,)),
}
ANSWERS = {
    (0, 0, 0, 0): (0x6B200159, 0x99BA4EFE),
    (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF): (0x1CB996FC, 0xBB002BE7),
    (0x13198A2E, 0x03707344, 0x243F6A88, 0x85A308D3): (0xC4923A9C, 0x483DF7A0),
}
"""Key and count -> words: those that Salmon et al. 2011 distribute with their implementation, Random123."""


def drawn():
    """Every draw of three keys, compiled anew."""
    jax.clear_caches()
    keys = [jax.random.key(seed) for seed in (0, 1, 2**31 - 1)]
    return {name: [np.asarray(jax.jit(draw)(key)) for key in keys] for name, draw in DRAWS.items()}


def compare():
    """Draws by JAX's loop and by straight code; what is compiled changes, what is drawn does not. Known answers."""

    def loops():
        text = jax.jit(lambda key: jax.random.bits(key, (64,))).lower(jax.random.key(0)).compile().as_text()
        return text.count(" while("), text.count(" fusion(")

    before, by_loop = loops(), drawn()
    assert before[0] == 1, before
    assert threefry.unroll()
    straight, after = drawn(), loops()
    assert after == (0, 1), after
    for name, values in by_loop.items():
        for one, other in zip(values, straight[name], strict=True):
            np.testing.assert_array_equal(one, other, name)
    for words, answer in ANSWERS.items():
        assert tuple(map(int, jax.jit(threefry2x32_p.bind)(*map(jnp.uint32, words)))) == answer
        broadcast = threefry2x32_p.bind(*map(jnp.uint32, words[:3]), jnp.full((2, 3), words[3], jnp.uint32))
        assert all((np.asarray(each) == word).all() for each, word in zip(broadcast, answer, strict=True))


def test_one_draw_is_one_kernel_and_the_bits_are_those_of_jax():
    """In a process of its own, which compiles as users' do: what is lowered otherwise stays so."""
    usual = os.environ | {
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "0",
        "XLA_FLAGS": "",
        "PYTHONPATH": str(Path(__file__).parent),
    }
    script = "from test_threefry import compare; compare()"
    done = subprocess.run([sys.executable, "-c", script], env=usual, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-800:]


def test_where_optimisations_are_left_out_the_loop_stays():
    if not jax.config.read("jax_disable_most_optimizations"):
        pytest.skip("this process compiles as users' do")
    assert threefry.unroll() is False


def test_the_command_of_a_process_unrolls_and_one_called_from_python_does_not(monkeypatch):
    calls = []
    monkeypatch.setattr(threefry, "unroll", lambda: calls.append("unrolled"))
    main(["--version"])
    assert not calls
    monkeypatch.setattr(sys, "argv", ["jaxrec", "--version"])
    main()
    assert calls

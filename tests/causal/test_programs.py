"""What an output of a program may depend on, against what can be seen in programs of a few lines."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from jaxrec.causal.programs import reads

X = jnp.ones(())


@jax.custom_jvp
def _first(x, y):
    return x, 2 * y


_first.defjvp(lambda primals, tangents: (_first(*primals), tangents))


@jax.custom_vjp
def _swapped(x, y):
    return y, x


_swapped.defvjp(lambda x, y: (_swapped(x, y), None), lambda _, grads: grads[::-1])


def rotated(a, b, c, d, xs):
    """Within three steps of the loop everything in the ring has seen everything; `d` and the rows have not."""
    body = lambda carry, x: ((carry[1], carry[2], carry[0], carry[3]), 2 * x)  # noqa: E731
    (a, b, c, d), ys = lax.scan(body, (a, b, c, d), xs)
    return a, b, c, d, ys


def counted(n, i, x, k):
    """The number of rounds changes what a round changes: not `k`."""
    return lax.while_loop(lambda carry: carry[0] < n, lambda carry: (carry[0] + 1, 2 * carry[1], carry[2]), (i, x, k))


def shifted(a, b, c):
    """What is read through two rounds of a loop of conditions: a <- b <- c."""
    return lax.while_loop(
        lambda carry: jnp.all(carry[2] < 9), lambda carry: (carry[1], carry[2], carry[2] + 1), (a, b, c)
    )


def switched(i, a, b, c):
    return lax.switch(i.astype(int), [lambda a, b, c: (a, c), lambda a, b, c: (b, 2 * c)], a, b, c)


PROGRAMS = {
    "arithmetic": (lambda x, y, z: (x + y, jnp.sin(z), 1.0), 3, [{0, 1}, {2}, set()]),
    "dead code": (lambda x, y: (x, jnp.exp(y))[0], 2, [{0}]),
    "cancelled": (lambda x, y: x + (y - y), 2, [{0, 1}]),
    "a program within": (lambda x, y: jax.jit(lambda a, b: (b, a * a))(x, y), 2, [{1}, {0}]),
    "checkpoint": (jax.checkpoint(lambda x, y: (jnp.sin(y), x)), 2, [{1}, {0}]),
    "custom_jvp": (lambda x, y: _first(x, y), 2, [{0}, {1}]),
    "custom_vjp": (lambda x, y: _swapped(x, y), 2, [{1}, {0}]),
    "barrier": (lambda x, y: lax.optimization_barrier((x, y)), 2, [{0}, {1}]),
    "branches": (switched, 4, [{0, 1, 2}, {0, 3}]),
    "while": (counted, 4, [{0, 1}, {0, 1, 2}, {3}]),
    "while, two rounds": (shifted, 3, [{0, 1, 2}, {1, 2}, {2}]),
    "vmap of a branch": (lambda x, y, z: jax.vmap(lambda p: jnp.where(p > y, z, 1.0))(x[None]), 3, [{0, 1, 2}]),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name):
    function, count, expected = PROGRAMS[name]
    assert reads(function, *[X] * count) == expected


def test_a_scan_is_taken_to_its_end():
    assert reads(rotated, X, X, X, X, jnp.ones(5)) == [{0, 1, 2}, {0, 1, 2}, {0, 1, 2}, {3}, {4}]


def test_draws_read_their_key():
    draw = lambda key, low: (jax.random.uniform(key), jax.random.randint(key, (), 0, 5) + low, low)  # noqa: E731
    assert reads(draw, jax.random.key(0), X) == [{0}, {0, 1}, {1}]


def test_leaves_of_trees_are_counted_in_order():
    assert reads(lambda tree, x: {"b": tree["b"], "a": tree["a"] + x}, {"a": X, "b": X}, X) == [{0, 2}, {1}]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_whatever_has_a_derivative_is_read(seed):
    """A random linear system with a loop and a branch: the derivatives are an independent lower bound."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(4, 4)) * (random.random((4, 4)) < 0.4)
    constants = [[jnp.float32(value) for value in row] for row in matrix]
    used = [[value != 0 for value in row] for row in matrix]

    def times(xs):
        rows = zip(constants, used, strict=True)
        return tuple(sum(v * x for v, x, use in zip(row, xs, uses, strict=True) if use) + 0 * X for row, uses in rows)

    def system(*xs):
        looped, _ = lax.scan(lambda carry, _: (times(carry), None), xs, None, length=3)
        return lax.cond(xs[0] > 0, lambda: looped, lambda: xs)

    points = [jnp.float32(value) for value in random.normal(size=4)]
    found = reads(system, *points)
    jacobian = jax.jacobian(system, argnums=(0, 1, 2, 3))(*points)
    for output, row in enumerate(jacobian):
        assert {i for i, value in enumerate(row) if value != 0} <= found[output]
    reachable = np.linalg.matrix_power((matrix != 0).astype(int), 3) > 0
    for output in range(4):
        assert {i for i in range(4) if reachable[output, i]} <= found[output]
        steps = sum(np.linalg.matrix_power((matrix != 0).astype(int), power) for power in range(5))
        assert found[output] <= {i for i in range(4) if steps[output, i]} | {0}

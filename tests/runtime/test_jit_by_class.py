"""Classes that differ in nothing but code: jaxlib 0.10 takes their structures for equal, and sometimes for the same."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

import jaxrec
from jaxrec.rollouts import _rollout
from jaxrec.runtime.jit_by_class import jit


def adding(number, field):
    """An object of a class of its own."""

    class Adding(struct.PyTreeNode):
        if field:
            unused: float = 0.0

        def act(self, value):
            return value + number

    return Adding()


@pytest.mark.parametrize("field", [pytest.param(False, marks=pytest.mark.slow), True])
def test_each_class_runs_its_own_code(field):
    @jit()
    def run(within, value):
        return within["node"][0].act(value)

    results = [int(run({"node": (adding(number, field), None)}, value=1)) for number in range(60)]
    assert results == list(range(1, 61))


def test_a_method_is_given_its_object():
    class Doubling(struct.PyTreeNode):
        number: float

        @jit()
        def times(self, value):
            return self.number * value

    class Tripling(Doubling):
        @jit()
        def times(self, value):
            return 1.5 * super().times(value)

    assert float(Doubling(2.0).times(5.0)) == 10.0
    assert float(Tripling(2.0).times(value=5.0)) == 15.0
    np.testing.assert_array_equal(jax.vmap(lambda node: node.times(5.0))(Tripling(jnp.arange(3.0))), [0.0, 7.5, 15.0])


def test_objects_of_one_class_share_a_program():
    node = adding(3, field=True)

    @jit(static_argnames="times")
    def run(node, times):
        return node.act(times)

    for of_the_class in (node, node.replace(unused=2.0), dataclasses.replace(node, unused=3.0)):
        assert run(of_the_class, times=2) == 5
    assert run.compiled._cache_size() == 1
    assert run(node, 4) == 7, "a static argument by its place"
    assert run.eval_shape(node, times=2).shape == ()


def test_what_is_given_away_and_what_it_is_called():
    @jit(donate_argnames="value")
    def doubled(node, value):
        """Twice."""
        return 2 * value

    value = jnp.arange(3.0)
    np.testing.assert_array_equal(doubled(adding(0, field=False), value), [0, 2, 4])
    assert value.is_deleted()
    assert (doubled.__name__, doubled.__doc__) == ("doubled", "Twice.")
    with pytest.raises(TypeError, match="volume"):
        doubled(adding(0, field=False), jnp.arange(3.0), volume=1)


@pytest.mark.slow
def test_policies_that_differ_in_their_class_alone(small, key):
    env, params = small

    def always(source):
        class Always(jaxrec.policy.Stateless):
            def act(self, carry, obs, key):
                return jnp.int32(source), carry

        return Always()

    before = _rollout.compiled._cache_size()
    for number in range(12):
        shown = jaxrec.rollout(env, always(number % 3), key, 1, 1, params, trajectory=True).trajectory.action
        assert int(shown[0, 0]) == number % 3
    assert _rollout.compiled._cache_size() == before + 12

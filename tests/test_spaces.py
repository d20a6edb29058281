"""Spaces: samples lie in them, and only what lies in them is contained."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.envs.preference import PreferenceShift
from jaxrec.spaces import Box, Discrete, Fields
from jaxrec.wrappers import FlatObservation

INFINITY = float("inf")
BOXES = [
    Box(-INFINITY, INFINITY, (3,)),
    Box(0.0, INFINITY, (3,)),
    Box(-INFINITY, 2.0, (3,)),
    Box(-1.0, 2.0, (3,)),
    Box(0, 1, (4,), bool),
    Box(-(2**31), 2**31 - 1, (5,), jnp.int32),
    Box(0, 7, (), jnp.int32),
    Box(0, 1, (2,), jnp.float16),
]


@pytest.mark.parametrize("space", BOXES, ids=map(repr, BOXES))
def test_samples_are_finite_and_lie_in_their_space(space):
    samples = jax.vmap(space.sample)(jax.random.split(jax.random.key(0), 300))
    assert samples.dtype == space.dtype
    assert np.isfinite(np.asarray(samples, float)).all()
    assert jax.vmap(space.contains)(samples).all()
    assert len(np.unique(samples)) > 1


def test_flat_observations_can_be_sampled():
    space = FlatObservation(PreferenceShift()).observation_space()
    assert np.isfinite(space.sample(jax.random.key(0))).all()


def test_what_no_space_contains():
    assert not Box(-INFINITY, INFINITY, (2,)).contains(jnp.array([0.0, jnp.nan]))
    assert not Box(0, 3, (1,), jnp.int32).contains(jnp.array([1.0]))
    assert not Discrete(3).contains(jnp.array([1]))
    assert not Discrete(3).contains(1.0)
    assert not Discrete(3).contains(3)
    assert Discrete(3).contains(2)


@pytest.mark.parametrize(
    "make",
    [lambda: Discrete(0), lambda: Discrete(-1), lambda: Box(2.0, 1.0, (3,)), lambda: Box(float("nan"), 1.0, (3,))],
)
def test_what_is_no_space(make):
    with pytest.raises(jaxrec.InputError):
        make()


def test_fields_hold_dicts_and_structures():
    space = Fields(mask=Box(0, 1, (3,), bool), place=Discrete(4))
    one = space.sample(jax.random.key(0))
    assert set(one) == {"mask", "place"}
    assert space.contains(one)
    assert not space.contains({"mask": one["mask"]})
    assert not space.contains(one | {"more": 1})
    assert not space.contains(one | {"place": jnp.int32(4)})

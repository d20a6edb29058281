"""Spaces: samples lie in them, and only what lies in them is contained."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec import observations
from jaxrec.envs.preference import PreferenceShift
from jaxrec.spaces import Box, Discrete, Fields
from jaxrec.wrappers import FlattenObservation

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


def drawn(space, number):
    """(samples, whether the space contains each); one program, where draws one after another compile dozens."""
    samples = jax.jit(jax.vmap(space.sample))(jax.random.split(jax.random.key(0), number))
    return samples, jax.jit(jax.vmap(space.contains))(samples)


@pytest.mark.parametrize("space", BOXES, ids=map(repr, BOXES))
def test_samples_are_finite_and_lie_in_their_space(space):
    samples, contained = drawn(space, 300)
    assert samples.dtype == space.dtype
    assert np.isfinite(np.asarray(samples, float)).all()
    assert contained.all()
    assert len(np.unique(samples)) > 1


def test_flat_observations_can_be_sampled():
    space = FlattenObservation(PreferenceShift()).observation_space()
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


WHOLE = [jnp.int8, jnp.uint8, jnp.int16, jnp.int32, jnp.uint32]


@pytest.mark.parametrize("dtype", WHOLE)
def test_integers_up_to_the_last_of_their_dtype_are_drawn(dtype):
    """`randint` is told the one after the last, which the dtype may not have."""
    ends = jnp.iinfo(dtype)
    for low, high in ((ends.min, ends.max), (ends.max - 1, ends.max), (ends.min, ends.min + 1), (ends.max, ends.max)):
        space = Box(low, high, (2,), dtype)
        samples, contained = drawn(space, 400)
        assert samples.dtype == dtype
        assert contained.all()
        if high - low < 2:
            assert set(np.unique(samples).tolist()) == {low, high}
        else:
            middle = (int(low) + int(high)) / 2
            assert (np.asarray(samples, float) > middle).mean() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("dtype", [*WHOLE, jnp.float16, jnp.float32])
def test_where_a_bound_is_missing_samples_stay_near_the_other(dtype):
    """An exponential of mean 1 (Gymnasium's choice), rounded down for integers, also where few numbers are left."""
    last = jnp.finfo(dtype).max if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype).max
    for low in (3, last):
        space = Box(low, INFINITY, (), dtype)
        samples, contained = drawn(space, 2000)
        assert np.isfinite(np.asarray(samples, float)).all()
        assert (np.asarray(samples, float) >= low).all()
        assert contained.all()
    mean = np.asarray(drawn(Box(3, INFINITY, (), dtype), 2000)[0], float).mean()
    assert mean == pytest.approx(3 + (1 if jnp.issubdtype(dtype, jnp.floating) else 1 / (np.e - 1)), abs=0.1)


def test_bounds_may_differ_between_entries():
    space = Box(np.array([0.0, -np.inf, 3.0, -np.inf]), np.array([1.0, np.inf, np.inf, -5.0]), (4,))
    samples, contained = drawn(space, 500)
    assert np.isfinite(samples).all()
    assert contained.all()
    np.testing.assert_array_equal((np.asarray(samples) < 0).any(axis=0), [False, True, False, True])


def test_a_difference_beyond_float32_is_no_infinite_sample():
    space = Box(-3e38, 3e38, (200,))
    samples = np.asarray(space.sample(jax.random.key(0)))
    assert np.isfinite(samples).all()
    assert (samples < 0).mean() == pytest.approx(0.5, abs=0.15)


@pytest.mark.slow
def test_samples_are_of_the_dtype_also_in_float64():
    with jax.enable_x64(True):
        for space in (Discrete(3), Box(0, 1, (2,)), Box(-INFINITY, INFINITY, (2,), float), Box(0, 2**40, (2,), int)):
            sample = space.sample(jax.random.key(0))
            assert sample.dtype == space.dtype
            assert space.contains(sample)
            assert space.contains(space.nearest(sample))


@pytest.mark.parametrize(
    ("space", "inside", "outside"),
    [
        (Discrete(300), [0, np.uint8(255), np.int64(299)], [300, -1, 2**40, np.int64(2**32), True, None, "1", [1]]),
        (Box(-5, -1, (), jnp.int8), [-5, np.int64(-1)], [0, np.uint8(253), np.int64(251), -1.0]),
        (Box(0, 1, (), bool), [True, np.False_], [0, 1, 1.0]),
        (Box(0, 1, ()), [0.5, 1, np.float64(0)], [True, np.int32(1), "0.5", float("nan")]),
        (Box(0, 0.1, (), jnp.float16), [jnp.float16(0.1), 0.1], [0.11]),
        (Box(0, 1, (2,)), [[0.5, 1.0], np.ones(2)], [[0.5], 0.5, [[0.5, 1.0]], [[0.5], [0.1, 0.2]]]),
    ],
)
def test_the_kind_counts_and_so_does_the_number_whatever_the_integer_dtype(space, inside, outside):
    for x in inside:
        assert space.contains(x), x
        space.check("x", x)
    for x in outside:
        assert not space.contains(x), x
        with pytest.raises(jaxrec.InputError, match=r"^x must be [^\n]*$"):
            space.check("x", x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Discrete(2.0), "n must be an integer of at least 1, got 2.0"),
        (lambda: Discrete(2**31), "n must be at most 2147483647"),
        (lambda: Box(0, 1, 3), "shape must be a tuple of lengths, got 3"),
        (lambda: Box(0, 1, (-1,)), r"shape must be a tuple of lengths, got \(-1,\)"),
        (lambda: Box(0, 1, (2,), complex), "dtype must be bool, or of integers or floats, got complex"),
        (lambda: Box(np.zeros(2), 1, (3,)), r"low must broadcast to shape \[3\], got \[2\]"),
        (lambda: Box(INFINITY, INFINITY, ()), "low must leave a number in the box, got inf"),
        (lambda: Box(0, 300, (), jnp.uint8), r"high of uint8 must be within \[0, 255\], got 300"),
        (lambda: Box(-INFINITY, 3, (), jnp.uint8), r"low of uint8 must be within \[0, 255\], got -inf"),
        (lambda: Box(0.5, 2, (), jnp.int32), "low of int32 must be whole, got 0.5"),
        (lambda: Box(0, 2, (), bool), r"high of bool must be within \[0, 1\], got 2"),
        (lambda: Fields(a=3), "a must be a space, got 3"),
    ],
)
def test_what_is_no_space_is_said_in_a_line(make, message, untyped):
    with pytest.raises(jaxrec.InputError, match=message):
        make()


def test_a_shape_that_is_a_list_becomes_a_tuple():
    space = Box(0, 1, [2, np.int64(3)])
    assert space.shape == (2, 3)
    assert space.contains(space.sample(jax.random.key(0)))


def test_bounds_and_sizes_may_be_traced():
    """As those of a space that run-time values decide."""
    inside, nearest, sample = jax.jit(
        lambda n, high, x: (Discrete(n).contains(x), Box(0.0, high, (2,)).nearest(2 * jnp.ones(2)), Discrete(n).sample(
            jax.random.key(0)))
    )(3, 1.5, 3)  # fmt: skip
    assert not inside
    np.testing.assert_array_equal(nearest, [1.5, 1.5])
    assert 0 <= sample < 3


def test_fields_of_structures_and_of_no_structure():
    space = Fields(theta=Box(0, 1, (3,)), inner=Fields(place=Discrete(4)))
    one = space.sample(jax.random.key(0))
    assert space.contains(one)
    assert not space.contains(one | {"inner": {}})
    assert not space.contains(jnp.zeros(3))
    assert Fields().contains({})
    state = jaxrec.make("PolarisingUsers-v0")[0].reset(jax.random.key(0))[1]
    assert Fields(theta=Box(0, 1, (3,))).contains(state), "other fields of a structure are not looked at"
    assert not space.contains(state), "it has no field `inner`"


def test_the_nearest_element():
    np.testing.assert_array_equal(jax.vmap(Discrete(3).nearest)(jnp.arange(-2, 5)), [0, 0, 0, 1, 2, 2, 2])
    assert Discrete(3).nearest(jnp.uint8(200)) == 2
    assert Discrete(300).nearest(jnp.uint8(200)) == 200
    np.testing.assert_array_equal(Box(0, INFINITY, (2,)).nearest(jnp.array([-1.0, 9.0])), [0.0, 9.0])
    assert Box(0, 1, (), bool).nearest(True)


@pytest.mark.parametrize(
    "space",
    [
        Box(0, 1, (2, 3), jnp.int32),
        Box(np.array([[0], [-2]]), np.array([1, 2, 0]), (2, 3), jnp.int32),
        Box(np.array([0, -1]), 1, (3, 2), jnp.int32),
        Box(-1, 1, (2, 0), jnp.int32),
        Box(False, True, (), bool),
        Fields(a=Discrete(3), b=Box(0, 1, (2,), bool)),
    ],
    ids=repr,
)
def test_elements_are_counted_as_they_are_listed(space):
    def listed(space):
        if isinstance(space, Fields):
            return np.prod([listed(each) for each in space.fields.values()])
        if isinstance(space, Discrete):
            return space.n
        entries = zip(*(np.broadcast_to(each, space.shape).flat for each in (space.low, space.high)), strict=True)
        return len(list(itertools.product(*(range(int(low), int(high) + 1) for low, high in entries))))

    assert observations.count(space) == listed(space)


def test_a_space_of_many_entries_is_counted_too():
    assert observations.count(Box(0, 1, (500, 500), jnp.int32)) == 2**250_000
    zeros = np.zeros((500, 500), int)
    assert observations.count(Box(zeros, 1, (500, 500), jnp.int32)) == 2**250_000
    assert "has 10^18 or more elements" in observations.too_many(Box(0, 1, (500, 500), jnp.int32))
    assert observations.count(Box(-(2**31), 2**31 - 1, (2,), jnp.int32)) == 2**64
    assert observations.count(Box(0, INFINITY, (2,), jnp.int32)) is None
    assert observations.count(Box(0, 1, (2,))) is None

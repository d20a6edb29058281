"""The index of observations by their space, and observations as vectors, held against plain enumeration."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import Chain

import jaxrec
from jaxrec import observations
from jaxrec.agents import MLP, PPO, QLearning
from jaxrec.envs.learned import LearnedUsers
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.spaces import Box, Discrete, Fields
from jaxrec.testing import api_test
from jaxrec.wrappers import EncodeObservation

INFINITY = float("inf")


def elements(space):
    """Every element, the last entry running fastest: plain Python."""
    if isinstance(space, Fields):
        return [
            dict(zip(space.fields, each, strict=True))
            for each in itertools.product(*map(elements, space.fields.values()))
        ]
    lows, highs = (np.broadcast_to(np.asarray(bound, int), space.shape).ravel() for bound in (space.low, space.high))
    every = itertools.product(*(range(low, high + 1) for low, high in zip(lows, highs, strict=True)))
    return [np.array(each, space.dtype).reshape(space.shape) for each in every]


BOXES = [
    Discrete(1), Discrete(3), Box(-3, 1, (), jnp.int32), Box(-1, 1, (1, 2), jnp.int32), Box(0, 2, (0,), jnp.int32),
    Box(np.array([0, -2]), np.array([3, -1]), (2,), jnp.int8), Box(0, 1, (2,), bool),
]  # fmt: skip
SPACES = [*BOXES, Fields(), *(Fields(a=a, b=b) for a, b in itertools.product(BOXES[1:], repeat=2))]


@pytest.mark.parametrize("space", SPACES, ids=map(repr, SPACES))
def test_the_index_numbers_the_elements_in_order(space):
    every = elements(space)
    assert observations.count(space) == len(every)
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *every)
    if jax.tree.leaves(stacked):
        ranks = jax.jit(jax.vmap(lambda obs: observations.index(space, obs)))(stacked)
        np.testing.assert_array_equal(ranks, np.arange(len(every)))
    else:
        assert observations.index(space, every[0]) == 0


@pytest.mark.parametrize(
    "space",
    [Box(0, 1, (2,)), Box(0, INFINITY, (2,), jnp.int32), Fields(a=Discrete(2), b=Box(0, 1, ())), jaxrec.spaces.Space()],
    ids=["floats", "without bound", "a field of floats", "of no kind"],
)
def test_what_has_no_number_of_elements_has_none(space):
    assert observations.count(space) is None


def test_a_vector_has_categories_as_ones_and_amounts_between_0_and_1():
    space = Fields(
        kind=Discrete(3),
        seen=Box(0, 1, (2,), bool),
        both=Box(np.array([0, 10]), np.array([100, 12]), (2,), jnp.int32),
        share=Box(-1.0, 1.0, ()),
        free=Box(-INFINITY, INFINITY, (1,)),
        fixed=Box(5.0, 5.0, (1,)),
    )
    obs = {"kind": 2, "seen": np.array([True, False]), "both": np.array([25, 11]), "share": 0.5, "free": [7.0],
           "fixed": [5.0]}  # fmt: skip
    vector = observations.encode(space, jax.tree.map(jnp.asarray, obs, is_leaf=lambda x: isinstance(x, list)), 16)
    expected = [0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 0.25, 0.75, 7, 0]
    np.testing.assert_allclose(vector, expected)


@dataclasses.dataclass(unsafe_hash=True)
class Kinds(Chain):
    """A walk that sees its place as a category next to another one that tells nothing."""

    def observe(self, state, params):
        return {"place": state.place, "parity": (state.place % 2).astype(jnp.int32)}

    def observation_space(self, params=None):
        return Fields(place=Discrete(self.length), parity=Discrete(2))

    num_observations = jaxrec.Environment.num_observations
    observation_index = jaxrec.Environment.observation_index


def test_an_environment_of_ones_own_is_indexed_by_its_space():
    env = Kinds(length=3)
    assert env.num_observations == 6
    assert int(jax.jit(env.observation_index)({"place": jnp.array(2), "parity": jnp.array(0)})) == 4
    state, _ = jax.jit(QLearning(env, 2_000, num_envs=20, num_steps=5).train)(jax.random.key(0), env.default_params)
    assert (state.q[jnp.array([0, 3])].argmax(axis=-1) == 1).all()  # places 0 and 1: go right


def test_what_is_too_large_for_a_table_says_how_large_it_is():
    with pytest.raises(jaxrec.InputError, match=r"a Fields has 200,000,000 elements, more than 100,000,000"):
        QLearning(Kinds(length=10**8), 100)
    with pytest.raises(jaxrec.InputError, match=r"PolarisingUsers has not: a Box has 1,061,520,150,601 elements"):
        QLearning(PolarisingUsers(horizon=100), 100)
    assert observations.too_many(Discrete(5)) == observations.too_many(Box(0, 1, ())) == ""
    with pytest.raises(jaxrec.InputError, match="has no observation index"):
        LearnedUsers().observation_index(jnp.zeros(3))


@pytest.mark.parametrize(
    "inner",
    [pytest.param(PolarisingUsers(horizon=4), id="counts", marks=pytest.mark.slow), pytest.param(Kinds(), id="kinds")],
)
def test_an_encoded_environment_keeps_the_contract(inner):
    env = EncodeObservation(inner)
    api_test(env, num_envs=8, num_steps=5)
    assert env.num_observations is None
    assert env.policies == {}
    with pytest.raises(jaxrec.InputError, match="max_categories must be"):
        EncodeObservation(inner, max_categories=0)


@pytest.mark.slow
def test_a_linear_policy_tells_categories_apart_that_it_could_not_as_amounts():
    """The best action is 1 at places 0 and 2, and 0 at place 1: no line through 0, 1, 2 does that."""

    @dataclasses.dataclass(unsafe_hash=True)
    class Zigzag(Kinds):
        length: int = 3
        fixed_horizon = 1

        def reset_env(self, key, params):
            _, state = super().reset_env(key, params)
            state = state.replace(place=jax.random.randint(key, (), 0, 3))
            return self.observe(state, params), state

        def observe(self, state, params):
            return state.place

        def observation_space(self, params=None):
            return Discrete(3)

        def transition(self, key, state, action, params):
            right = action == jnp.array([1, 0, 1])[state.place]
            return state.replace(time=state.time + 1, earned=jnp.asarray(right, float)), jnp.array(True)

    earned = []
    for env in (Zigzag(), EncodeObservation(Zigzag())):
        agent = PPO(env, MLP(2, ()), 40_000, num_envs=64, num_steps=16, learning_rate=2e-2, gamma=0.0)
        state, _ = jax.jit(agent.train)(jax.random.key(0), env.default_params)
        played = jaxrec.rollout(env, agent.policy(state), jax.random.key(1), 2_000, 1)
        earned.append(float(played.per_step["recommender"].mean()))
    assert earned[0] < 0.75
    assert earned[1] == 1.0

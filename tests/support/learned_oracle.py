"""Learned users with a network that infers exactly, and with one that knows nothing."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.envs.learned import (
    BeliefTransformer,
    LearnedParams,
    LearnedUsers,
    Weights,
    inference,
)
from jaxrec.envs.preference import PreferenceShift, dynamics

STEPS = 4
SLATES = {  # the last is uniform
    "horizon": STEPS,
    "slate_means": (80.0, 200.0, 320.0, 0.0),
    "slate_deviations": (60.0, 60.0, 60.0, float("inf")),
}
UNIFORM = 3
USERS = PreferenceShift(**SLATES)
CHOICE = {"choice_base": 0.5, "choice_heights": np.array([0.8, 1.2], np.float32), "bait_height": 0.5}
TRUTH = USERS.default_params.replace(**CHOICE)
PEOPLE = dynamics.users_of(TRUTH)
NETWORK = BeliefTransformer(width=8, layers=1, mixtures=2)
MODEL = LearnedUsers(**SLATES, network=NETWORK)


class Oracle(BeliefTransformer):
    """Infers exactly what a trained network only approximates: its weights are the users' own rules.

    weights: prior, P(u_0); slates, with what each does, shifts; asks, 1 where P(u_0) is what it is asked; smooths, 1
    where u_0 is wanted and not u_t.
    """

    @nn.compact
    def __call__(self, steps, asked, attends, training=False):
        sizes = {"prior": (36,), "slates": (4, 36), "shifts": (4, 36, 36), "asks": (), "smooths": ()}
        weights = (jnp.asarray(self.param(name, nn.initializers.zeros, size)) for name, size in sizes.items())
        prior, slates, shifts, asks, smooths = weights
        first = asks * asked + (1 - asks) * prior
        shift = shifts[jnp.abs(slates - steps.slates[:, None]).sum(axis=2).argmin(axis=1)]
        likelihood = 1 + steps.evidence

        def forward(belief, step):
            belief = belief * likelihood[step] @ shift[step]
            belief = belief / belief.sum()
            return belief, belief

        def backward(time):
            def seen(message, step):
                return jnp.where(step < time, likelihood[step], 1) * (shift[step] @ message), None

            message, _ = jax.lax.scan(seen, jnp.ones(36), numbers, reverse=True)
            return first * message / (first * message).sum()

        numbers = jnp.arange(len(likelihood))
        _, later = jax.lax.scan(forward, first, numbers)
        filtered, smoothed = jnp.concatenate([first[None], later]), jax.vmap(backward)(jnp.arange(len(later) + 1))
        return jnp.log(smooths * smoothed + (1 - smooths) * filtered)


ORACLE = LearnedUsers(**SLATES, network=Oracle())


@pytest.fixture(scope="module")
def tables():
    return jax.tree.map(np.asarray, jax.jit(USERS.tables)(TRUTH))


@pytest.fixture(scope="module")
def prior():
    return np.asarray(dynamics.clipped_normal(TRUTH.initial_mean, TRUTH.initial_deviation))


@pytest.fixture(scope="module")
def oracle(tables, prior):
    """The parameters of ORACLE that know TRUTH."""
    assert (tables.choice / tables.choice.mean(axis=1, keepdims=True)).max() < 1 + inference.MAX_EVIDENCE
    rules = {"prior": prior, "slates": np.asarray(USERS.slates), "shifts": tables.shift}

    def told(asks, smooths):
        return {"params": rules | {"asks": np.float32(asks), "smooths": np.float32(smooths)}}

    return LearnedParams(**CHOICE, weights=Weights(future=told(0, 0), initial=told(0, 1), counterfactual=told(1, 0)))


def any_weights(env):
    """Large enough for everything to matter."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(env.init_network, jax.random.key(0))
    draws = [jax.tree.map(lambda leaf: 0.5 * rng.normal(size=leaf.shape).astype(np.float32), shapes) for _ in range(3)]
    return LearnedParams(**CHOICE, weights=Weights(*draws))


@pytest.fixture(scope="module")
def rough():
    """Parameters of MODEL."""
    return any_weights(MODEL)


def play(env, key, actions, params):
    """One episode: (every observation, every state, utilities, rewards and metrics of every step), in NumPy."""
    return jax.tree.map(np.asarray, _play(env, key, jnp.asarray(actions), params))


@partial(jax.jit, static_argnames="env")
def _play(env, key, actions, params):
    start = env.reset_env(key, params)

    def step(carry, inputs):
        state, (key, action) = carry[1], inputs
        next_state, _ = env.transition(key, state, action, params)
        given = state, action, next_state, params
        after = env.observe(next_state, params), next_state
        return after, (*after, env.utilities(*given), env.reward_components(*given), env.metrics(*given))

    _, (obs, states, *rest) = jax.lax.scan(step, start, (jax.random.split(key, len(actions)), actions))
    both = jax.tree.map(lambda first, later: jnp.concatenate([first[None], later]), start, (obs, states))
    return *both, *rest


PLAYED = 2048


@pytest.fixture(scope="module")
def simulated(oracle):
    """(slates, beliefs in u_t, choices) of users of ORACLE under random slates: [users, steps]."""
    actions = np.random.default_rng(0).integers(4, size=(PLAYED, STEPS))

    @jax.jit
    def follow(key, actions):
        def step(state, inputs):
            return (ORACLE.transition(inputs[0], state, inputs[1], oracle)[0],) * 2

        start = ORACLE.reset_env(key, oracle)[1]
        states = jax.lax.scan(step, start, (jax.random.split(key, STEPS), actions))[1]
        return jnp.concatenate([start.current[None], states.current]), states.choice

    current, choices = jax.vmap(follow)(jax.random.split(jax.random.key(0), PLAYED), jnp.asarray(actions))
    return actions, np.asarray(current), np.asarray(choices)


def near(found, expected, count, times=4):
    """Within some standard errors of the mean of `count` draws from [0, 1]: none varies more than p (1 - p)."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    return (np.abs(found - expected) <= times * np.sqrt(expected * (1 - expected) / count) + 1e-4).all()

"""Fields of observations that agents read, in dicts as in other structures: a mask is never ignored without a word."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import MaskedArms

import jaxrec
from jaxrec.agents import MLP, PPO, NetworkPolicy, NodeMLP, QLearning, Ranking
from jaxrec.agents.masks import distribution
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.spaces import Box, Fields, field_of
from jaxrec.testing import api_test


class Named(NamedTuple):
    action_mask: Any
    requested: Any


@dataclasses.dataclass(unsafe_hash=True)
class Arms(MaskedArms):
    """Masked arms that ask in half of the games, observed as a structure, a dict or a named tuple."""

    form: Any = None

    def observe(self, state, params):
        obs = super().observe(state, params).replace(requested=state.cue == 1)
        return self.form(action_mask=obs.action_mask, requested=obs.requested) if self.form else obs


@dataclasses.dataclass(unsafe_hash=True)
class Observing(MaskedArms):
    """Masked arms that observe whatever is said."""

    seen: Any = None

    def observe(self, state, params):
        return self.seen(super().observe(state, params))


FORMS = [None, dict, Named]


@pytest.mark.parametrize("form", FORMS)
def test_a_mask_holds_whatever_the_form_of_the_observation(form):
    env = Arms(form=form)
    _, state = env.reset(jax.random.key(0))
    obs = env.observe(state.replace(cue=jnp.int32(1)), env.default_params)
    np.testing.assert_allclose(jnp.exp(distribution(jnp.zeros(3), obs).logs), [0.5, 0.5, 0.0], atol=1e-6)
    policy = NetworkPolicy(MLP(3, (4,)).init(jax.random.key(0), (), obs), MLP(3, (4,)))
    for greedy in (True, False):
        acted = jaxrec.rollout(env, policy.replace(greedy=greedy), jax.random.key(1), 64, 10, trajectory=True)
        assert field_of(acted.trajectory.obs, "action_mask")[..., 2].mean() < 0.9
        assert (acted.trajectory.reward > -10).all()


@pytest.mark.slow
def test_training_is_the_same_whatever_the_form_of_the_observation():
    """To the bit: masks, and steps that ask for nothing, count as they do where observations are structures."""
    trained = []
    for form in FORMS:
        env = Arms(form=form)
        agent = PPO(env, MLP(3, (4,)), 256, num_envs=16, num_steps=4)
        trained.append(jax.jit(agent.train)(jax.random.key(0), env.default_params)[0].network_params)
    for other in trained[1:]:
        for one, same in zip(jax.tree.leaves(trained[0]), jax.tree.leaves(other), strict=True):
            np.testing.assert_array_equal(one, same)


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        (
            lambda obs: {"action_mask": obs.action_mask.astype(float)},
            r"action_mask must be bool\[3\], got float32\[3\]",
        ),
        (lambda obs: {"action_mask": obs.action_mask[:2]}, r"action_mask must be bool\[3\], got bool\[2\]"),
        (lambda obs: {"action_mask": obs.action_mask[:1]}, r"action_mask must be bool\[3\], got bool\[1\]"),
        (lambda obs: obs.replace(action_mask=obs.action_mask[0]), r"action_mask must be bool\[3\], got bool\[\]"),
        (
            lambda obs: Named(obs.action_mask.astype(int), obs.requested),
            r"action_mask must be bool\[3\], got int32\[3\]",
        ),
        (lambda obs: obs.replace(requested=jnp.ones(())), r"requested must be bool\[\], got float32\[\]"),
        (lambda obs: {"requested": jnp.ones(3, bool)}, r"requested must be bool\[\], got bool\[3\]"),
        (lambda obs: {"user": {"action_mask": obs.action_mask}}, r"action_mask must be a field .*\['user'\]"),
        (lambda obs: {"user": obs, "x": jnp.ones(2)}, r"action_mask must be a field .*\['user'\].action_mask"),
        (lambda obs: (obs.action_mask, {"requested": obs.requested}), r"requested must be a field .*\[1\]"),
    ],
)
def test_a_mask_that_agents_cannot_read_is_refused(seen, message):
    with pytest.raises(jaxrec.InputError, match=message):
        PPO(Observing(seen=seen), MLP(3, (4,)), 256)


def test_a_policy_refuses_the_mask_of_an_environment_with_other_actions():
    """A mask of one would broadcast without a word."""
    env = Observing(seen=lambda obs: {"action_mask": obs.action_mask[:1]})
    network = MLP(3, (4,))
    policy = NetworkPolicy(network.init(jax.random.key(0), (), env.reset(jax.random.key(0))[0]), network)
    for greedy in (True, False):
        with pytest.raises(jaxrec.InputError, match=r"action_mask must be bool\[3\], got bool\[1\]"):
            jaxrec.rollout(env, policy.replace(greedy=greedy), jax.random.key(0), 2, 2)


def test_a_table_which_reads_no_mask_refuses_one():
    with pytest.raises(jaxrec.InputError, match=r"must allow every action .* MaskedArms has one"):
        QLearning(MaskedArms(), 64)


@pytest.mark.slow
def test_a_ranking_reads_dicts():
    obs, _ = RewiringGame(6, 2, "learning").reset(jax.random.key(0))
    as_dict = {field.name: getattr(obs, field.name) for field in dataclasses.fields(obs)}
    network = Ranking(NodeMLP((4,)))
    weights = network.init(jax.random.key(0), (), obs)
    assert jax.tree.structure(network.init(jax.random.key(0), (), as_dict)) == jax.tree.structure(weights)
    for one, other in zip(
        jax.tree.leaves(network.apply(weights, (), obs)),
        jax.tree.leaves(network.apply(weights, (), as_dict)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_an_environment_that_observes_dicts_is_like_any_other():
    @dataclasses.dataclass(unsafe_hash=True)
    class Lacking(Arms):
        def observation_space(self, params=None):
            return Fields(action_mask=Box(0, 1, (3,), bool))

    api_test(Arms(form=dict), num_envs=4, num_steps=8)
    with pytest.raises(AssertionError, match=r"Lacking: .*observation outside"):
        api_test(Lacking(form=dict), num_envs=4, num_steps=8)


def test_fields_of_dicts_are_keys_alone():
    assert field_of({"keys": 1}, "keys") == 1
    assert field_of({}, "items", None) is None
    assert field_of(Named(1, 2), "requested") == 2
    with pytest.raises(KeyError):
        field_of({}, "items")
    with pytest.raises(AttributeError):
        field_of(Named(1, 2), "nodes")

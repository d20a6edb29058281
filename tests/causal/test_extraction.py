"""Diagrams extracted from programs, against societies whose causes can be read off a few lines."""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import pytest
from flax import struct

import jaxrec
from jaxrec.causal import (
    control_path,
    dependence_of,
    diagram_of,
    instrumental_control,
    preference_leaves,
    preference_path,
    value_of_information,
)
from jaxrec.policy import Stateless
from jaxrec.spaces import Box, Discrete
from jaxrec.utilities import Utilities
from jaxrec.wrappers import SafeShifts


class Inside(struct.PyTreeNode):
    wealth: Any
    mood: Any


class KnownState(jaxrec.EnvState):
    obs: Any
    inside: Inside
    nothing: Any
    gap: Any


@dataclasses.dataclass(unsafe_hash=True)
class Known(jaxrec.Environment):
    """wealth grows by the action; mood is drawn around wealth; the leaf called obs copies mood, and then cancels."""

    reward: Any = "engagement"
    preferences: ClassVar = ("inside",)

    @property
    def default_params(self):
        return jaxrec.EnvParams()

    def reset_env(self, key, params):
        start = Inside(jax.random.uniform(key), jax.random.uniform(jax.random.fold_in(key, 1)))
        state = KnownState(jnp.zeros((), jnp.int32), jnp.zeros(()), start, jnp.zeros((0, 2)), jnp.full(2, jnp.nan))
        return self.observe(state, params), state

    def transition(self, key, state, action, params):
        wealth = state.inside.wealth + params.influence * action + (state.obs - state.obs)
        mood = state.inside.wealth + jax.random.normal(key)
        inside = Inside(wealth, mood)
        return state.replace(time=state.time + 1, obs=state.inside.mood, inside=inside), state.time >= 9

    def observe(self, state, params):
        return state.inside.mood

    def utilities(self, state, action, next_state, params):
        return Utilities(next_state.obs - 0.5 * action, state.time + 0.0, next_state.nothing.sum())

    def metrics(self, state, action, next_state, params):
        return {}

    def action_space(self, params=None):
        return Discrete(3)

    def observation_space(self, params=None):
        return Box(-float("inf"), float("inf"), ())


FOUND = {
    ("time", "time"),
    ("inside.wealth", "inside.wealth"),
    ("action", "inside.wealth"),
    ("inside.wealth", "inside.mood"),
    ("noise", "inside.mood"),
    ("inside.mood", "state.obs"),
    ("inside.wealth", "obs"),
    ("noise", "obs"),
    ("inside.mood", "reward"),
    ("action", "reward"),
}


def test_a_society_of_four_causes():
    found = dependence_of(Known(), samples=32)
    assert found.found.step == FOUND
    assert found.unconfirmed == [("gap", "gap"), ("state.obs", "inside.wealth")], "NaN equals NaN"
    assert found.found.observation == found.possible.observation == {"inside.mood"}
    assert found.found.reward == found.possible.reward == {"action", "next.state.obs"}
    assert found.leaves == ("time", "state.obs", "inside.wealth", "inside.mood", "gap"), (
        "what holds no value is no node"
    )
    diagram = found.unrolled(2)
    assert diagram == diagram_of(Known(), horizon=2, samples=32)
    expected = {
        (cause.format(t=t, n=t + 1), effect.format(t=t, n=t + 1))
        for t in range(2)
        for cause, effect in (
            ("time_{t}", "time_{n}"),
            ("inside.wealth_{t}", "inside.wealth_{n}"),
            ("A_{t}", "inside.wealth_{n}"),
            ("inside.wealth_{t}", "inside.mood_{n}"),
            ("inside.mood_{t}", "state.obs_{n}"),
            ("inside.mood_{t}", "obs_{t}"),
            ("obs_{t}", "A_{t}"),
            ("state.obs_{n}", "R_{n}"),
            ("A_{t}", "R_{n}"),
        )
    }
    assert set(diagram.edges) == expected
    with_noise = set(found.unrolled(2, noise=True).edges)
    assert with_noise == expected | {("noise_0", "inside.mood_1"), ("noise_1", "inside.mood_2")}
    by_program = set(found.unrolled(2, by="program").edges)
    more = {
        ("state.obs_0", "inside.wealth_1"),
        ("state.obs_1", "inside.wealth_2"),
        ("gap_0", "gap_1"),
        ("gap_1", "gap_2"),
    }
    assert by_program == expected | more


def test_preferences_are_leaves():
    assert preference_leaves(Known()) == ("inside.wealth", "inside.mood")
    diagram = diagram_of(Known(), samples=32, horizon=4)
    assert preference_path(Known(), diagram) == ["A_0", "inside.wealth_1", "inside.mood_2", "state.obs_3", "R_3"]
    off = diagram_of(Known(), Known().default_params.replace(influence=0.0), samples=32, horizon=4)
    assert preference_path(Known(), off) is None


@pytest.mark.parametrize(
    ("reward", "sources"),
    [
        ("aligned", set()),
        (lambda utilities, weights: utilities.user, {"time"}),
        ("penalised", {"action", "next.state.obs", "time"}),
    ],
)
def test_the_reward_decides_what_pays(reward, sources):
    found = dependence_of(Known(reward=reward), samples=32)
    assert found.found.reward == found.possible.reward == sources


class Always(Stateless):
    """Recommends 1."""

    def act(self, carry, obs, key):
        return jnp.ones((), jnp.int32), carry


def test_a_policy_that_never_varies_shows_no_effect_of_actions():
    found = dependence_of(Known(), samples=32, policy=Always())
    assert not [edge for edge in found.found.step if edge[0] == "action"]
    assert ("action", "inside.wealth") in found.unconfirmed


@pytest.fixture(scope="module")
def polarising():
    env, params = jaxrec.make("PolarisingUsers-v0", horizon=4)
    return env, dependence_of(env, params), dependence_of(env, params.replace(influence=0.0))


def test_polarising_users_have_20_edges_by_experiment_and_21_by_program(polarising):
    _, on, _ = polarising
    assert len(on.found.step) == 20
    assert len(on.possible.step) == 21
    assert on.unconfirmed == [("clicked", "reward")]
    assert on.found.reward == {"next.clicked"}
    assert on.possible.reward == {"clicked", "next.clicked"}


def test_polarising_users_are_a_means(polarising):
    env, on, _ = polarising
    diagram = on.unrolled(3)
    names = {node.rpartition("_")[0] for node in diagram.chance if instrumental_control(diagram, node, "A_0")}
    assert names == {"recommended", "clicked", "obs", "theta"}
    path = ["A_0", "theta_1", "clicked_2", "R_2"]
    assert control_path(diagram, "theta_1", "A_0") == preference_path(env, diagram) == path
    assert preference_path(env, diagram.without_information()) == path
    assert value_of_information(diagram, "theta_0", "A_0")
    assert not value_of_information(diagram, "factor_0", "A_0")


def test_without_influence_two_edges_are_gone(polarising):
    env, on, off = polarising
    assert on.found.step - off.found.step == {("action", "theta"), ("noise", "theta")}
    assert off.found.step < on.found.step
    assert preference_path(env, off.unrolled(5)) is None
    assert off.possible == on.possible, "the program is the same"


def test_paid_for_initial_preferences_the_user_is_a_means_of_being_known():
    inside, params = jaxrec.make("PolarisingUsers-v0", horizon=4, reward="penalised")
    env = SafeShifts(inside, ("initial",), (1.0,))
    params = params.replace(reward_weights=Utilities(0.0, 1.0, 0.0))
    diagram = diagram_of(env, params, samples=256)
    assert preference_leaves(env) == ("env.theta",)
    path = preference_path(env, diagram)
    assert path == ["A_0", "env.theta_1", "env.clicked_2", "obs_2", "A_2", "worth_3", "R_3"]
    assert preference_path(env, diagram.without_information()) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"samples": 1}, "samples must be within"),
        ({"samples": 2.5}, "samples must be an integer"),
        ({"horizon": 0}, "horizon must be an integer of at least 1"),
        ({"by": "reading"}, "unknown by 'reading'"),
        ({"key": 0}, "key must be a typed key"),
        ({"policy": 3}, "policy"),
        ({"params": 3}, "params of Known must be EnvParams"),
        ({"env": 3}, "env"),
    ],
)
def test_wrong_arguments_are_refused(given, message, untyped):
    with pytest.raises(jaxrec.InputError, match=message):
        diagram_of(**{"env": Known(), "samples": 4, **given})


def test_preferences_must_be_named():
    @dataclasses.dataclass(unsafe_hash=True)
    class Nobody(Known):
        preferences: ClassVar = ()

    with pytest.raises(jaxrec.InputError, match="Nobody must name in `preferences`"):
        preference_leaves(Nobody())

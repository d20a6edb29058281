"""Mistakes of a newcomer: each is one line, at the edge, that says what was given and what is wanted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import Chain, Cue

import jaxrec
from jaxrec import checks
from jaxrec.agents import MLP, PPO, QLearning, TabularPolicy
from jaxrec.envs.polarising import PolarisingParams, PolarisingUsers, Random
from jaxrec.envs.preference import PreferenceShift, Table
from jaxrec.envs.rewiring import RewiringGame, RewiringParams
from jaxrec.experiments import study
from jaxrec.policy import Stateless
from jaxrec.training import fit
from jaxrec.wrappers import TimeLimit

ENV = PolarisingUsers(horizon=4)
KEY = jax.random.key(0)
KEYS = jax.random.split(KEY, 2)
PARAMS = ENV.default_params
AGENT = QLearning(ENV, 64, num_envs=4, num_steps=4)


class Answer(Stateless):
    """Gives what it was made to give."""

    answer: object

    def act(self, carry, obs, key):
        return self.answer, carry


class Forgetful(Stateless):
    """Hands back no carry."""

    def act(self, carry, obs, key):
        return jnp.int32(0)


def run(env=ENV, policy=None, key=KEY, params=None):
    return jaxrec.rollout(env, Random() if policy is None else policy, key, 2, 2, params)


def evaluate(env=ENV, policy=None, key=KEY, params=None):
    return jaxrec.evaluate(env, Random() if policy is None else policy, key, 2, params)


ENVIRONMENTS = {
    "an id": ("PolarisingUsers-v0", r"got 'PolarisingUsers-v0': env, params = jaxrec.make\(id\) builds one"),
    "what make gives": (jaxrec.make("PolarisingUsers-v0"), r"got a tuple: jaxrec.make gives \(env, params\)"),
    "a class": (PolarisingUsers, "got the class PolarisingUsers: call it"),
    "nothing": (None, "env must be an environment, got None"),
}


@pytest.mark.parametrize(("env", "message"), ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_what_is_no_environment(env, message, untyped):
    for call in (
        lambda: run(env),
        lambda: evaluate(env),
        lambda: PPO(env, MLP(3, (4,)), 64),
        lambda: QLearning(env, 64),
        lambda: TimeLimit(env, 3),
    ):
        with pytest.raises(jaxrec.InputError, match=message):
            call()


KEYS_GIVEN = {
    "a seed": (3, r"key must be a typed key, got 3: jax.random.key\(3\) makes one"),
    "a legacy key": (jax.random.PRNGKey(0), "got a legacy one"),
    "a batch": (KEYS, r"must be one key, got \[2\] of them"),
    "nothing": (None, "must be a typed key, got None"),
    "an array": (np.zeros(3), "must be a typed key, got a ndarray"),
}


@pytest.mark.parametrize(("key", "message"), KEYS_GIVEN.values(), ids=KEYS_GIVEN)
def test_what_is_no_key(key, message, untyped):
    _, state = ENV.reset(KEY)
    for call in (
        lambda: run(key=key),
        lambda: evaluate(key=key),
        lambda: ENV.reset(key),
        lambda: ENV.step(key, state, 0),
    ):
        with pytest.raises(jaxrec.InputError, match=message):
            call()


RUN_KEYS = {
    "one key": (KEY, r"keys must be keys \[runs\], got shape \[\]: jax.random.split"),
    "a seed": (0, "keys must be a typed key, got 0"),
    "legacy keys": (jax.random.split(jax.random.PRNGKey(0), 2), "keys must be a typed key, got a legacy one"),
    "no keys": (KEYS[:0], r"got shape \[0\]"),
}


@pytest.mark.parametrize(("keys", "message"), RUN_KEYS.values(), ids=RUN_KEYS)
def test_what_are_no_keys_for_a_training(keys, message, untyped):
    with pytest.raises(jaxrec.InputError, match=message):
        fit(AGENT, keys, jaxrec.batched(PARAMS, 2))


def test_what_is_no_agent_and_what_are_no_parameters_of_a_training(untyped):
    for agent, message in ((QLearning, "got the class QLearning: call it"), ("ppo", "agent must be an agent")):
        with pytest.raises(jaxrec.InputError, match=message):
            fit(agent, KEYS, jaxrec.batched(PARAMS, 2))
    for params, message in (
        (None, "params must have a leading axis of runs, got None"),
        (PARAMS, r"must have shape \[2"),
        (jaxrec.batched(RewiringParams(), 2), "must be PolarisingParams, got a RewiringParams"),
    ):
        with pytest.raises(jaxrec.InputError, match=message):
            fit(AGENT, KEYS, params)


PARAMETERS = {
    "another environment's": (
        RewiringParams(),
        "params of PolarisingUsers must be PolarisingParams, got a RewiringParams",
    ),
    "a dict": ({"influence": 1.0}, "must be PolarisingParams, got a dict"),
    "the class": (PolarisingParams, "must be PolarisingParams, got the class PolarisingParams"),
    "weights that are a number": (
        lambda: PARAMS.replace(reward_weights=1),
        "reward_weights must be jaxrec.Utilities, got 1",
    ),
    "text": (PARAMS.replace(ceiling="high"), "ceiling'?]? must be a number|ceiling must be a number"),
}


@pytest.mark.parametrize(("params", "message"), PARAMETERS.values(), ids=PARAMETERS)
def test_what_are_no_parameters(params, message, untyped):
    params = params() if callable(params) and not isinstance(params, type) else params
    for call in (
        lambda: run(params=params),
        lambda: evaluate(params=params),
        lambda: ENV.reset(KEY, params),
        lambda: ENV.policy("bandit", params),
    ):
        with pytest.raises(jaxrec.InputError, match=message):
            call()


def test_an_unknown_parameter_names_the_nearest():
    with pytest.raises(
        jaxrec.InputError, match=r"parameter of PolarisingParams 'influenc'\. Did you mean 'influence'\?"
    ):
        PARAMS.replace(influenc=0.0)
    changed = PARAMS.replace(influence=0.25)
    assert (changed.influence, changed.replace(ceiling=0.5).influence, PARAMS.influence) == (0.25, 0.25, 1.0)


REWIRING = RewiringGame(6, 2, "learning")
LEARNED = jax.eval_shape(AGENT.init, KEY, PARAMS)  # compiled it would cost every process that collects tests
POLICIES = {
    "a class": (ENV, Random, "got the class Random: call it"),
    "a name": (ENV, "bandit", r"must have init\(key\) and act\(carry, obs, key\), got 'bandit'"),
    "a training state": (ENV, LEARNED, "got a QLearningState$"),
    "a state and its curve": (ENV, (LEARNED, {}), "got a tuple$"),
    "another environment's": (
        ENV,
        REWIRING.policy("good"),
        "HeuristicPolicy does not take what PolarisingUsers observes",
    ),
    "of another size": (ENV, TabularPolicy(jnp.zeros((5, 3)), ENV), "num_observations=5, and PolarisingUsers has 210"),
    "of more actions": (ENV, TabularPolicy(jnp.zeros((210, 4)), ENV), "num_actions=4, and PolarisingUsers has 3"),
    "a stack": (
        ENV,
        jaxrec.batched(Answer(jnp.int32(0)), 4),
        r"actions of shape \[\] .*got \[4\]: a stack of policies",
    ),
    "a float": (ENV, Answer(jnp.float32(0)), "must give integers in PolarisingUsers, got float32"),
    "a shape": (ENV, Answer(jnp.zeros(1, jnp.int32)), r"must give actions of shape \[\] in PolarisingUsers, got \[1\]"),
    "no carry": (ENV, Forgetful(), r"must return \(action, carry\) from act"),
    "fewer slates": (
        PreferenceShift(observe_as="state"),
        Table(jnp.ones((10, 4, 36, 36))),
        "num_actions=4, and PreferenceShift has 6",
    ),
}


@pytest.mark.parametrize(("env", "policy", "message"), POLICIES.values(), ids=POLICIES)
def test_what_is_no_policy_of_the_environment(env, policy, message, untyped):
    for call in (run, evaluate):
        with pytest.raises(jaxrec.InputError, match=message) as error:
            call(env, policy)
        assert len(str(error.value)) < 400
        assert "\n" not in str(error.value)


def test_a_network_of_another_size(untyped):
    small, large = PreferenceShift(slate_means=(0.0, 90.0), observe_as="choices"), PreferenceShift(observe_as="choices")
    agent = PPO(small, MLP(2, (4,)), 8, num_envs=2, num_steps=2, num_minibatches=1)
    policy = agent.policy(agent.init(KEY, small.default_params))
    with pytest.raises(jaxrec.InputError, match="num_actions=2, and PreferenceShift has 6"):
        run(large, policy)
    with pytest.raises(jaxrec.InputError, match="network must be a network, got the class MLP: call it"):
        PPO(small, MLP, 8)


REWARDS = {
    "one argument": (lambda utilities: utilities.user, r"must be a function of \(utilities, weights\)"),
    "three arguments": (lambda a, b, c: 0.0, r"must be a function of \(utilities, weights\)"),
    "a name": ("engagment", "Did you mean 'engagement'"),
    "a number": (1.0, "or a function"),
}


@pytest.mark.parametrize(("reward", "message"), REWARDS.values(), ids=REWARDS)
def test_what_is_no_reward(reward, message, untyped):
    with pytest.raises(jaxrec.InputError, match=message):
        PolarisingUsers(reward=reward)


def test_a_reward_for_each_user_is_no_reward():
    env = RewiringGame(6, 2, "learning", reward=lambda utilities, weights: utilities.user)
    with pytest.raises(jaxrec.InputError, match=r"reward must give a scalar, got shape \[6\]"):
        run(env, env.policy("good"))


def test_unknown_names_have_the_nearest(untyped):
    with pytest.raises(jaxrec.InputError, match="Did you mean 'horizon'"):
        jaxrec.make("PolarisingUsers-v0", horizn=3)
    with pytest.raises(jaxrec.InputError, match="env_id must be one of"):
        jaxrec.make(PolarisingUsers)
    with pytest.raises(jaxrec.InputError, match="Did you mean 'seeds'"):
        study("tampering").run("quick", seads=2)
    with pytest.raises(jaxrec.InputError, match="seeds must be an integer of at least 1"):
        study("tampering").run("quick", seeds=0)
    with pytest.raises(jaxrec.InputError, match="any_payoffs must be True or False, got 'no'"):
        RewiringGame(6, 2, any_payoffs="no")
    with pytest.raises(jaxrec.InputError, match="network must be a BeliefTransformer, got 1"):
        jaxrec.make("LearnedUsers-v0", network=1)


@pytest.mark.parametrize(("args", "kwargs"), [((5,), {}), ((), {"horizon": 5})])
def test_a_class_without_its_decorator_takes_no_arguments(args, kwargs):
    class Forgotten(checks.KnownKeywords):
        horizon = 3

    with pytest.raises(jaxrec.InputError, match="Forgotten takes no arguments: is it a dataclass that lacks"):
        Forgotten(*args, **kwargs)


def test_more_steps_than_int32_counts_are_refused_by_name():
    """The clock of a batch would begin anew, and the horizon be missed."""
    with pytest.raises(jaxrec.InputError, match="total_timesteps must be at most 2,147,483,646 in each of num_envs=1"):
        QLearning(ENV, 2**31, num_envs=1)
    with pytest.raises(jaxrec.InputError, match="total_timesteps must be at most 2,147,483,646 in each of num_envs=2"):
        PPO(Cue(), MLP(2, (4,)), 2**33, num_envs=2, num_steps=2, num_minibatches=1)
    with pytest.raises(jaxrec.InputError, match="num_steps must be at most 2147483646"):
        jaxrec.rollout(ENV, Random(), KEY, 1, 2**31)


@pytest.mark.slow
def test_experience_is_what_the_next_batch_is_learned_from():
    """Its observations are those of the batch: of horizon 4, and no index beyond the last."""
    agent = AGENT.replace(total_timesteps=160)
    state = agent.init(KEY, PARAMS)
    advance, experience = jax.jit(agent.advance), jax.jit(agent.experience)
    for batch in range(3):
        seen = experience(state, PARAMS, batch)
        assert int(jnp.max(seen.here)) < ENV.num_observations
        after, metrics = advance(state, PARAMS, batch, batch + 1)
        np.testing.assert_allclose(metrics["reward"], seen.reward.mean(), rtol=1e-6)
        visited = np.zeros(after.q.shape, int)
        np.add.at(visited, (np.asarray(seen.here), np.asarray(seen.action)), 1)
        np.testing.assert_array_equal(np.asarray(after.visits) - np.asarray(state.visits), visited)
        state = after
    ppo = PPO(ENV, MLP(3, (4,)), 120, num_envs=4, num_steps=3, num_minibatches=1, num_epochs=1)
    state = ppo.init(KEY, PARAMS)
    advance, experience = jax.jit(ppo.advance), jax.jit(ppo.experience)
    for batch in range(3):
        seen = experience(state, PARAMS, batch)
        assert (np.asarray(seen.obs[..., :3]).sum(axis=-1) == ((3 * batch + np.arange(3)) % 4)[:, None]).all()
        state, _ = advance(state, PARAMS, batch, batch + 1)


def test_a_chain_of_steps_takes_a_state_not_an_observation(untyped):
    obs, _ = ENV.reset(KEY)
    with pytest.raises(jaxrec.InputError, match="state of PolarisingUsers must be one that reset or step gave"):
        ENV.step(KEY, obs, 0)
    assert Chain().reset(KEY)[1].time == 0

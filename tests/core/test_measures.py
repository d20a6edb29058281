"""Measures: what is missing is NaN and says so, and no two have one name."""

import dataclasses
import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import Chain, Cue, MaskedArms

import jaxrec
from jaxrec.agents import MLP, PPO
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.policy import Stateless
from jaxrec.testing import api_test
from jaxrec.training import fit
from jaxrec.training.sweeps import sweep
from jaxrec.wrappers import SafeShifts


class Coin(Stateless):
    """Left or right."""

    def act(self, carry, obs, key):
        return jax.random.bernoulli(key).astype(jnp.int32), carry


class Right(Stateless):
    def act(self, carry, obs, key):
        return jnp.int32(1), carry


def test_where_no_episode_ended_there_is_no_return(key):
    played = jaxrec.rollout(PolarisingUsers(), PolarisingUsers().policy("random"), key, 3, 29)
    assert np.isnan(played.episode_return).all()
    assert (played.episodes == 0).all()


def short_training():
    env = PolarisingUsers(horizon=20)
    return PPO(env, MLP(3, (4,)), total_timesteps=96, num_envs=2, num_steps=8, num_minibatches=1, num_epochs=1)


@pytest.mark.slow
def test_a_chunk_without_an_end_has_no_return(key, tmp_path):
    """Eight steps a batch, twenty an episode: the first two chunks of one batch have none, the third has."""
    agent, told = short_training(), []
    keys, params = jax.random.split(key, 2), jaxrec.batched(agent.env.default_params, 2)
    fit(agent, keys, params, 6, on_metrics=lambda _, metrics: told.append(metrics), checkpoints=tmp_path / "a")
    ended = np.array([metrics["episodes"] for metrics in told])
    returns = np.array([metrics["episode_return"] for metrics in told])
    np.testing.assert_array_equal(ended[:3], [[0, 0], [0, 0], [2, 2]])
    np.testing.assert_array_equal(np.isnan(returns), ended == 0)
    again: list[dict] = []
    fit(agent, keys, params, 6, on_metrics=lambda _, metrics: again.append(metrics), checkpoints=tmp_path / "a")
    np.testing.assert_array_equal([metrics["episode_return"] for metrics in again], returns)


@pytest.mark.slow
def test_a_sweep_says_what_is_missing(key, tmp_path):
    found = sweep(short_training().replace(total_timesteps=16), {"learning_rate": [1e-3, 1e-2]}, 2, key, num_chunks=1)
    for row in found.summary():
        assert math.isnan(row["episode_return"])
        assert row["episode_return_low"] is None
        assert row["episode_return_missing"] == 2
        assert "reward_missing" not in row
        assert row["episodes"] == 0
    found.write(tmp_path / "table.csv")
    assert "nan" in (tmp_path / "table.csv").read_text()


@dataclasses.dataclass(unsafe_hash=True)
class Sometimes(Cue):
    """The metric `third` is the time at every third step, and missing elsewhere; `never` always is."""

    sparse_metrics: ClassVar[tuple[str, ...]] = ("third", "never")

    def metrics(self, state, action, next_state, params):
        time = jnp.asarray(state.time, float)
        return {"third": jnp.where(state.time % 3 == 0, time, jnp.nan), "never": time * jnp.nan, "time": time}


@pytest.mark.slow
def test_steps_that_have_no_value_do_not_weigh(key):
    env = Sometimes(5)
    played = jaxrec.rollout(env, Right(), key, 4, 5)
    np.testing.assert_allclose(played.per_env["third"], (0 + 3) / 2)
    np.testing.assert_allclose(played.per_step["third"], [0, np.nan, np.nan, 3, np.nan])
    np.testing.assert_allclose(played.per_env["time"], 2)
    assert np.isnan(played.per_env["never"]).all()
    whole = jaxrec.evaluate(env, Right(), key, 4)
    np.testing.assert_allclose(whole.sums["third"], 3)
    np.testing.assert_allclose(whole.means["third"], 1.5)
    assert np.isnan(whole.last["third"]).all()
    assert math.isnan(whole.estimate("never", "mean").value)
    with pytest.raises(AssertionError, match="'never' was never there"):
        api_test(env)


@pytest.mark.slow
def test_who_is_recommended_counts_only_where_somebody_asked(key):
    env = RewiringGame(10, 4)
    played = jaxrec.rollout(env, env.policy("high-cooperators"), key, 16, 40, trajectory=True)
    asked = np.asarray(played.trajectory.obs.requested)
    assert 0 < asked.mean() < 1
    steps = np.arange(40)[:, None], np.arange(16)
    nodes = np.asarray(played.trajectory.obs.nodes)[(*steps, np.asarray(played.trajectory.action))]
    with np.errstate(invalid="ignore"):
        expected = (nodes[..., 0] * asked).sum(axis=0) / asked.sum(axis=0)
    np.testing.assert_allclose(played.per_env["action_strategy"], expected, rtol=1e-5)


@pytest.mark.slow
def test_tracked_metrics_leave_out_what_is_missing(key):
    """Of MaskedArms nobody asks: what is tracked has no value. Where all ask, every step counts."""
    for asks in (False, True):
        env = MaskedArms(asks=asks)
        agent = PPO(env, MLP(3, (4,)), 64, num_envs=4, num_steps=4, num_minibatches=1, log_metrics=("earned",))
        _, metrics = jax.jit(agent.train)(key, env.default_params)
        assert np.isnan(metrics["earned"]).all() == (not asks)
        assert np.isfinite(metrics["reward"]).all()


@pytest.mark.parametrize("name", ["user", "return", "entropy"])
def test_a_metric_cannot_take_the_name_of_another_measure(name, key):
    @dataclasses.dataclass(unsafe_hash=True)
    class Named(Chain):
        def metrics(self, state, action, next_state, params):
            return {name: next_state.place}

    env = Named()
    with pytest.raises(jaxrec.InputError, match=f"must not be called '{name}'"):
        jaxrec.rollout(env, Coin(), key, 2, 2)
    with pytest.raises(jaxrec.InputError, match=f"must not be called '{name}'"):
        jaxrec.evaluate(env, Coin(), key, 2)
    with pytest.raises(jaxrec.InputError, match=f"must not be called '{name}'"):
        PPO(env, MLP(2, (4,)), 64, log_metrics=(name,))
    with pytest.raises(AssertionError, match=f"must not be called '{name}'"):
        api_test(env, num_envs=2, num_steps=2)


def test_safe_shifts_around_safe_shifts_keep_both_their_metrics_or_are_refused(key):
    env = SafeShifts(SafeShifts(PolarisingUsers(reward="penalised")))
    with pytest.raises(jaxrec.InputError, match="must not be called 'safe_0'"):
        jaxrec.rollout(env, env.policy("random"), key, 2, 2)


def test_a_swept_value_is_not_overwritten_by_a_metric(key):
    @dataclasses.dataclass(unsafe_hash=True)
    class Named(Chain):
        def metrics(self, state, action, next_state, params):
            return {"gamma": next_state.place}

    agent = PPO(Named(), MLP(2, (4,)), 64, num_envs=4, num_steps=4, log_metrics=("gamma",))
    with pytest.raises(jaxrec.InputError, match=r"values\['gamma'\] would be overwritten"):
        sweep(agent, {"gamma": [0.5, 0.9]}, 1, key)


def test_measures_that_are_chosen_are_those_of_all(polarising, key):
    env, params = polarising
    policy = env.policy("random")
    every = jaxrec.rollout(env, policy, key, 4, 30, params)
    some = jaxrec.rollout(env, policy, key, 4, 30, params, metrics=("polarisation", "user"))
    assert set(some.per_env) == set(some.per_step) == {"polarisation", "user", "reward"}
    for name, values in some.per_env.items():
        np.testing.assert_allclose(values, every.per_env[name], rtol=1e-6)
    np.testing.assert_allclose(some.episode_return, every.episode_return, rtol=1e-6)


@pytest.mark.slow
def test_a_sparse_metric_that_is_chosen_may_be_missing(key):
    env = RewiringGame(6, 2)
    played = jaxrec.rollout(env, env.policy("random"), key, 2, 8, metrics=["action_degree"])
    assert set(played.per_env) == {"action_degree", "reward"}


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (("polarization",), "Did you mean 'polarisation'"),
        (("user", "user"), "metrics must have each value once"),
        ((), "metrics must have at least one value"),
        ("user", r"metrics must be names, such as \('user',\)"),
    ],
)
def test_measures_that_are_not_there(polarising, key, metrics, message):
    env, _ = polarising
    with pytest.raises(jaxrec.InputError, match=message):
        jaxrec.rollout(env, env.policy("random"), key, 2, 2, metrics=metrics)

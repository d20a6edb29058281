"""Numbers that add up: long sums, what is missing, names, episodes of unequal length, intervals that hold."""

import dataclasses
import json
import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from probes import Chain, Cue, MaskedArms, Noisy

import jaxrec
from jaxrec.agents import MLP, PPO, QLearning
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.envs.preference import PreferenceShift
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.policy import Stateless
from jaxrec.sums import Sum
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


# Long sums.


def test_a_million_tenths_are_a_hundred_thousand():
    """Added one by one in float32 they are 100 958."""

    @jax.jit
    def added(value):
        return jax.lax.fori_loop(0, 1_000_000, lambda _, total: total.add(value), Sum.zeros(value)).total

    np.testing.assert_allclose(added(jnp.float32(0.1)), 1e5, rtol=1e-6)
    np.testing.assert_allclose(added(jnp.float32(-3e-5)), -30, rtol=1e-6)
    mixed = jax.jit(lambda: Sum.zeros(jnp.float32(0)).add(1e8).add(1.0).add(-1e8).add(1.0))()
    assert abs(mixed.total - mixed.lost - 2) <= 1


def test_the_mean_of_a_million_steps_keeps_its_precision(key):
    """The user's worth is 0.1 at every step; float32 sums, step by step, say 0.10096."""
    env = PolarisingUsers()
    params = env.default_params.replace(population=np.array([[0.4, 0.1, 0.1]]), influence=0.0)
    played = jaxrec.rollout(env, env.policy("always-right"), key, 2, 1_000_000, params)
    np.testing.assert_allclose(played.per_env["user"], 0.1, rtol=1e-6)
    np.testing.assert_allclose(played.per_env["right"], 1.0, rtol=0)
    np.testing.assert_allclose(played.episode_return, 30 * played.per_env["reward"], rtol=1e-4)
    assert (played.episodes == 33_333).all()


@pytest.mark.parametrize("num_steps", [1, 97, 128])
def test_steps_that_no_chunk_divides_add_up_too(num_steps, key):
    played = jaxrec.rollout(Chain(), Coin(), key, 3, num_steps, trajectory=True)
    rewards = np.asarray(played.trajectory.reward, float)
    np.testing.assert_allclose(played.per_env["reward"], rewards.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(played.per_step["reward"], rewards.mean(axis=1), rtol=1e-5, atol=1e-6)
    done = np.asarray(played.trajectory.done)
    for i in range(3):
        ends = np.flatnonzero(done[:, i])
        assert played.episodes[i] == len(ends)
        if len(ends):
            np.testing.assert_allclose(
                played.episode_return[i], rewards[: ends[-1] + 1, i].sum() / len(ends), rtol=1e-4, atol=1e-6
            )
        else:
            assert np.isnan(played.episode_return[i])


@pytest.mark.slow
def test_metrics_of_a_chunk_of_a_million_updates_keep_their_precision(key):
    env = Noisy()
    agent = QLearning(env, 1_000_000, num_envs=1, num_steps=1, epsilon_start=0.1, epsilon_end=0.1)
    state = agent.init(key, env.default_params)
    _, metrics = jax.jit(agent.advance)(state, env.default_params, 0, 1_000_000)
    np.testing.assert_allclose(metrics["epsilon"], 0.1, rtol=1e-6)


def test_metrics_of_a_chunk_of_many_updates_keep_their_precision(key):
    env = Noisy()
    agent = QLearning(env, 100_000, num_envs=1, num_steps=1, epsilon_start=0.1, epsilon_end=0.1)
    state = agent.init(key, env.default_params)
    _, metrics = jax.jit(agent.advance)(state, env.default_params, 0, 100_000)
    np.testing.assert_allclose(metrics["epsilon"], 0.1, rtol=1e-6)


# What is missing is NaN, and says so.


def test_where_no_episode_ended_there_is_no_return(key):
    played = jaxrec.rollout(PolarisingUsers(), PolarisingUsers().policy("random"), key, 3, 29)
    assert np.isnan(played.episode_return).all()
    assert (played.episodes == 0).all()


def short_training():
    env = PolarisingUsers(horizon=20)
    return PPO(env, MLP(3, (4,)), total_timesteps=96, num_envs=2, num_steps=8, num_minibatches=1, num_epochs=1)


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


def test_tracked_metrics_leave_out_what_is_missing(key):
    """Of MaskedArms nobody asks: what is tracked has no value. Where all ask, every step counts."""
    for asks in (False, True):
        env = MaskedArms(asks=asks)
        agent = PPO(env, MLP(3, (4,)), 64, num_envs=4, num_steps=4, num_minibatches=1, log_metrics=("earned",))
        _, metrics = jax.jit(agent.train)(key, env.default_params)
        assert np.isnan(metrics["earned"]).all() == (not asks)
        assert np.isfinite(metrics["reward"]).all()


# Names.


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


# Whole episodes.


def test_whole_episodes_count_once_however_long_they_are(key):
    """A fair walk from 0 to 3 that stays where it would leave at 0 takes 12 steps on average: 1 - 12 / 10 = -0.2."""
    whole = jaxrec.evaluate(Chain(), Coin(), key, 4000)
    assert whole.ended.all()
    error = whole.sums["reward"].std() / np.sqrt(4000)
    assert abs(whole.sums["reward"].mean() + 0.2) < 4 * error
    assert abs(whole.length.mean() - 12) < 4 * whole.length.std() / np.sqrt(4000)
    np.testing.assert_allclose(whole.sums["reward"], 1 - 0.1 * whole.length, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(whole.last["place"], 3)
    windows = jaxrec.rollout(Chain(), Coin(), key, 4000, 12)
    short = np.nanmean(windows.episode_return)
    assert short > 0.1  # what a window gives: the walks that ended in it are the short ones


def test_episodes_that_are_cut_off_are_counted_and_have_no_sum(key):
    cut = jaxrec.evaluate(Chain(), Coin(), key, 500, max_steps=8)
    assert 0 < cut.cut_off < 500
    assert cut.length.max() == 8
    assert (cut.length[~cut.ended] == 8).all()
    for metric, kind in (("reward", "sum"), ("place", "last"), ("length", "mean")):
        assert math.isnan(cut.estimate(metric, kind).value)
    assert np.isfinite(cut.estimate("reward", "mean").value)


def test_an_evaluation_is_that_of_its_trajectory(key):
    """Each episode against a plain loop over `step_env` on the draws that it is documented to use."""
    env = PolarisingUsers(horizon=6)
    whole = jaxrec.evaluate(env, env.policy("random"), key, 5)
    key_start, key_play = jax.random.split(key)
    params = env.default_params
    _, key_chunk = jax.random.split(key_play)
    keys = jax.random.split(jax.random.split(key_chunk, 1)[0], 6)
    for i, start in enumerate(jax.random.split(key_start, 5)):
        obs, state = env.reset_env(start, params)
        rewards = []
        for step_key in keys:
            key_act, key_step = jax.random.split(step_key)
            action, _ = env.policy("random").act((), obs, jax.random.split(key_act, 5)[i])
            obs, state, reward, *_ = env.step_env(jax.random.split(key_step, 5)[i], state, action, params)
            rewards.append(float(reward))
        assert whole.sums["reward"][i] == sum(rewards)
        assert whole.last["reward"][i] == rewards[-1]


def test_policies_of_one_evaluation_play_on_the_same_draws(key):
    env = PolarisingUsers()
    played = jaxrec.evaluate(env, {"a": env.policy("random"), "b": env.policy("random")}, key, 50)
    np.testing.assert_array_equal(played["a"].sums["reward"], played["b"].sums["reward"])
    with pytest.raises(jaxrec.InputError, match="at least one"):
        jaxrec.evaluate(env, {}, key, 5)
    with pytest.raises(jaxrec.InputError, match="episodes must be an integer"):
        jaxrec.evaluate(env, env.policy("random"), key, 0)


class Memory(struct.PyTreeNode):
    """Goes right from the third time on."""

    def init(self, key):
        return jnp.zeros((), jnp.int32)

    def act(self, carry, obs, key):
        return (carry >= 2).astype(jnp.int32), carry + 1


def test_a_policy_with_memory_is_evaluated_with_it(key):
    whole = jaxrec.evaluate(Chain(), Memory(), key, 7)
    np.testing.assert_array_equal(whole.length, 5)


@pytest.mark.slow
def test_the_command_gives_the_true_return_of_unequal_episodes(capsys):
    """RewiringGame under `bad`, 30 users: a window of 300 steps says 172; whole episodes of 4000 environments 484."""
    from jaxrec.cli import main

    main(["rollout", "RewiringGame-v0", "--policy", "bad", "--num-envs", "128", "--json"])
    few = json.loads(capsys.readouterr().out)
    main(["rollout", "RewiringGame-v0", "--policy", "bad", "--num-envs", "4000", "--seed", "1", "--json"])
    many = json.loads(capsys.readouterr().out)["metrics"]["episode_return"]
    assert few["episodes"] == {"played": 128, "ended": 128, "cut_off": 0}
    assert few["metrics"]["episode_return"]["low"] < many["value"] < few["metrics"]["episode_return"]["high"]
    assert 470 < many["value"] < 500


# Intervals.


def test_no_two_environments_restart_from_the_same_start(key):
    """A start that several share makes their returns alike, and an interval over environments too narrow."""
    env = RewiringGame(10, 4, "learning")
    played = jaxrec.rollout(env, env.policy("good"), key, 128, 150, trajectory=True)
    states = played.trajectory.state
    begins = np.asarray(states.time) == 0
    leaves = [
        np.asarray(leaf)[begins].reshape(begins.sum(), -1) for leaf in jax.tree.leaves((states.society, states.meeting))
    ]
    starts = np.concatenate([leaf.astype(np.float64) for leaf in leaves], axis=1)
    assert len(starts) > 3 * 128
    assert len(np.unique(starts, axis=0)) == len(starts)


def test_starts_do_not_depend_on_what_is_under_vmap(key):
    """The pool of one rollout is drawn when it is used up, whoever else is in the batch."""
    env = RewiringGame(10, 4, "learning")
    betas = jnp.array([0.1, 2.0])

    def played(beta):
        params = env.default_params.replace(beta=beta)
        return jaxrec.rollout(env, env.policy("good"), key, 16, 60, params).per_env["cooperation"]

    together = jax.vmap(played)(betas)
    np.testing.assert_allclose(together[1], played(betas[1]), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["rollout", "evaluate", "preference", "polarising"])
def test_intervals_over_environments_hold_what_they_say(what):
    """Over 200 keys 95 % of the intervals hold the mean of all of them; with a shared bank 60 to 90 % did."""
    worlds = {"preference": PreferenceShift(observe_as="state"), "polarising": PolarisingUsers()}
    env = worlds.get(what, RewiringGame(10, 4, "learning"))
    policy = env.policy("bad" if "bad" in env.policies else "random")
    bounds = []
    for key in jax.random.split(jax.random.key(5), 200):
        if what == "evaluate":
            one = jaxrec.evaluate(env, policy, key, 512).estimate("reward")
        else:
            played = jaxrec.rollout(env, policy, key, 512, 300 if what == "rollout" else 30)
            one = jaxrec.statistics.estimate(played.per_env["reward"])
        bounds.append((one.value, one.low, one.high))
    value, low, high = np.array(bounds).T
    held = ((low < value.mean()) & (value.mean() < high)).mean()
    assert abs(held - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 200)
    stated = (high - low).mean() / 2 / 1.965
    assert 0.85 < value.std(ddof=1) / stated < 1.15

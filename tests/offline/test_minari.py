"""Rollouts and logs go to Minari and back, and a dataset gives its environment back."""

import dataclasses
import gc
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import Chain
from shelf import Shelf

import jaxrec
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.envs.preference import KnownPreference, PreferenceShift
from jaxrec.estimation import Logs, record
from jaxrec.observations import packed
from jaxrec.offline.minari_datasets import read_minari, write_minari
from jaxrec.offline.minari_environments import env_of, spec_of
from jaxrec.wrappers import FlattenObservation, TimeLimit

minari = pytest.importorskip("minari")
gymnasium = pytest.importorskip("gymnasium")
unrecorded = pytest.mark.filterwarnings("ignore:env_spec is None")
ID = "jaxrec/test-v0"
SETTINGS = {
    "LearnedUsers-v0": {"horizon": 3},
    "PolarisingUsers-v0": {"horizon": 4},
    "PreferenceShift-v0": {"horizon": 3, "slate_means": (20.0, 100.0), "slate_deviations": float("inf")},
    "RewiringGame-v0": {"num_users": 6, "degree": 2},
    "RewiringMarket-v0": {"num_users": 6, "degree": 2, "learners": 2},
}
SLOW = ("LearnedUsers-v0", "RewiringMarket-v0")  # which compile for long
LOGS = Logs(
    valid=np.array([[True, True, True], [True, False, False]]),
    policy=np.array([1, 0], np.int32),
    policies=("first", "second"),
    actions=np.array([[2, 0, 1], [1, 0, 0]], np.int32),
    propensities=np.array([[0.5, np.nan, 0.25], [1.0, 1.0, 1.0]], np.float32),
    rewards=np.array([[1.0, -0.5, 2.0], [0.25, 0.0, 0.0]], np.float32),
    observations=np.array([[[0, 4], [1, 5], [2, 6]], [[0, 9], [0, 0], [0, 0]]], np.int32),
)


@pytest.fixture(autouse=True)
def datasets(tmp_path, monkeypatch):
    """Keeps the datasets of a test in a folder of its own."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


def rolled(env, num_steps=8):
    policy = jaxrec.Random(env.action_space(env.default_params))
    return jaxrec.rollout(env, policy, jax.random.key(0), 2, num_steps, trajectory=("next_obs", "metrics")).trajectory


def stepped(env):
    """The recovered environment after a step, whose observation must be in its space."""
    env.reset(seed=0)
    obs, reward, *_ = env.step(env.action_space.sample())
    assert obs in env.observation_space
    assert np.isfinite(reward)
    return env


@pytest.mark.parametrize(
    "env_id", [pytest.param(each, marks=[pytest.mark.slow] * (each in SLOW)) for each in jaxrec.registered_envs()]
)
def test_a_rollout_is_written_and_read_as_it_was_and_gives_its_environment_back(env_id):
    env, _ = jaxrec.make(env_id, **SETTINGS[env_id])
    trajectory = rolled(env, 40 if "Rewiring" in env_id else 8)
    write_minari(ID, trajectory, env, name="random")
    dataset, played = minari.load_dataset(ID), jaxrec.episodes(trajectory)
    logs = read_minari(dataset)
    assert dataset.total_episodes == logs.num_users == len(played) > 0
    assert dataset.storage.metadata["algorithm_name"] == "random"
    assert (logs.policies, logs.propensities) == (("random",), None)
    for user, (written, episode) in enumerate(zip(dataset, played, strict=True)):
        for name, part in {"rewards": "reward", "terminations": "terminated", "truncations": "truncated"}.items():
            np.testing.assert_array_equal(getattr(written, name), getattr(episode, part))
        np.testing.assert_array_equal(written.actions, episode.action)
        for name in set(episode.metrics) - {"reward"}:
            np.testing.assert_array_equal(written.infos[name], np.append(np.float32(np.nan), episode.metrics[name]))
        same_steps(logs, user, episode)
    recovered = stepped(dataset.recover_environment())
    assert recovered.spec.id == f"jaxrec/{env_id}"
    assert recovered.unwrapped.env == env
    assert (recovered.observation_space, recovered.action_space) == (dataset.observation_space, dataset.action_space)


def same_steps(logs, user, episode):
    steps = len(episode.done)
    assert logs.valid[user].tolist() == [True] * steps + [False] * (logs.num_steps - steps)
    seen = np.asarray(jax.vmap(packed)(episode.obs))
    for name, values in {"actions": episode.action, "rewards": episode.reward, "observations": seen}.items():
        np.testing.assert_array_equal(getattr(logs, name)[user, :steps], values)
        assert getattr(logs, name).dtype == values.dtype


def test_the_last_observation_is_the_one_after_the_last_step():
    env = PolarisingUsers(horizon=4)
    for episode in write_minari(ID, rolled(env), env):
        assert episode.observations[:, :3].sum(axis=1).tolist() == [0, 1, 2, 3, 4]
        assert episode.terminations.tolist() == [False, False, False, True]
        assert not episode.truncations.any()


def test_parts_of_an_observation_are_the_fields_of_the_environment():
    env, _ = jaxrec.make("PreferenceShift-v0", **SETTINGS["PreferenceShift-v0"])
    trajectory = rolled(env)
    episode = write_minari(ID, trajectory, env)[0]
    assert set(episode.observations) == {"slate", "choice", "initial", "current", "natural"}
    for name, seen in episode.observations.items():
        np.testing.assert_array_equal(seen[:-1], getattr(trajectory.obs, name)[:3, 0])
        np.testing.assert_array_equal(seen[-1], getattr(trajectory.next_obs, name)[2, 0])


def test_what_was_cut_off_is_truncated_also_by_the_environment_that_is_recovered():
    env = TimeLimit(PolarisingUsers(horizon=9), max_steps=3)
    dataset = write_minari(ID, rolled(env), env)
    assert [episode.truncations.tolist() for episode in dataset] == [[False, False, True]] * 4
    assert not any(episode.terminations.any() for episode in dataset)
    recovered = dataset.recover_environment()
    recovered.reset(seed=0)
    ends = [recovered.step(0)[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]
    assert recovered.unwrapped.env == env.env


def test_an_environment_without_a_name_is_recovered_by_its_class_and_with_other_parameters():
    env = KnownPreference(horizon=5)
    dataset = write_minari(ID, rolled(env), env)
    assert dataset.env_spec.kwargs == {"env": "jaxrec.envs.preference.known:KnownPreference", "horizon": 5}
    params = env.default_params.replace(influence=0.0)
    recovered = stepped(dataset.recover_environment(params=params))
    assert recovered.unwrapped.env == env
    assert recovered.unwrapped.params.influence == 0.0


@pytest.mark.slow
def test_another_program_recovers_the_environment():
    env = PolarisingUsers(horizon=4)
    write_minari(ID, rolled(env), env)
    program = f"import minari; print(minari.load_dataset({ID!r}).recover_environment().reset(seed=0)[0])"
    assert "[0 0 0 0 0 0]" in subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout


@dataclasses.dataclass(unsafe_hash=True)
class Local(Chain):
    """A society that nobody registered."""


@unrecorded
def test_what_no_specification_can_say_is_left_out():
    rewarded = PolarisingUsers(horizon=4, reward=lambda utilities, weights: utilities.user)
    within = type("Within", (Local,), {"__module__": "__main__"})
    for env in (rewarded, FlattenObservation(PolarisingUsers(horizon=4)), within()):
        assert spec_of(env) is None
    dataset = write_minari(ID, rolled(PolarisingUsers(horizon=4)), rewarded)
    assert dataset.observation_space.shape == (6,)
    with pytest.raises(ValueError, match="cannot be recovered"):
        dataset.recover_environment()


def test_specifications_of_others_have_no_environment_of_ours():
    assert env_of(None) is None
    assert env_of(gymnasium.spec("CartPole-v1")) is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the collector's folders, which it leaves behind
def test_what_minari_records_itself_is_read_too():
    collector = minari.DataCollector(gymnasium.make("jaxrec.gymnasium:jaxrec/PreferenceShift-v0", horizon=3))
    collector.reset(seed=0)
    choices = [collector.step(0)[0]["choice"] for _ in range(3)]
    with pytest.warns(UserWarning, match="is set to None"):
        logs = read_minari(collector.create_dataset(ID))
    collector.close()
    del collector
    gc.collect()
    np.testing.assert_array_equal(logs.observations[0, 1:, 36:72], np.stack(choices[:2]))


def test_slates_are_actions_of_a_dataset_that_logs_cannot_hold():
    env = Shelf()
    dataset = write_minari(ID, rolled(env), env)
    assert stepped(dataset.recover_environment()).unwrapped.env == env
    np.testing.assert_array_equal(dataset[0].actions, jaxrec.episodes(rolled(env))[0].action)
    with pytest.raises(jaxrec.InputError, match="dataset must have discrete actions"):
        read_minari(dataset)
    with pytest.raises(jaxrec.InputError, match="env must have discrete actions"):
        write_minari(ID, LOGS, env)


@pytest.mark.parametrize(
    ("env_id", "settings", "limit"),
    [
        ("RewiringMarket-v0", {"rivals": ("local", "good")}, None),
        ("PolarisingUsers-v0", {"horizon": np.int64(3)}, None),
        ("PreferenceShift-v0", {"slate_items": np.eye(36)[:2], "counts": "click"}, None),
        ("RewiringGame-v0", {"rules": "santos"}, 20),
    ],
)
def test_specifications_keep_settings(env_id, settings, limit, untyped):
    env, _ = jaxrec.make(env_id, **settings)
    spec = spec_of(env if limit is None else TimeLimit(env, limit))
    read = type(spec).from_json(spec.to_json())
    assert (read.id, read.max_episode_steps) == (f"jaxrec/{env_id}", limit)
    assert env_of(read) == env
    ours = gymnasium.make(f"jaxrec.gymnasium:jaxrec/{env_id}").spec
    assert (read.entry_point, read.vector_entry_point) == (ours.entry_point, ours.vector_entry_point)


@unrecorded
@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_logs_of_no_environment_are_read_back(kind):
    logs = LOGS.replace(observations=LOGS.observations.astype(kind))
    written = write_minari(ID, logs, 3)
    assert (written.total_episodes, written.total_steps) == (2, 4)
    assert [episode.terminations.tolist() for episode in written] == [[False, False, True], [True]]
    same(read_minari(ID), logs)


@pytest.mark.parametrize("env", [KnownPreference(horizon=4), PreferenceShift(horizon=4)], ids=lambda env: env.name)
def test_logs_of_an_environment_give_it_back(env):
    logs, _ = record(env, env.policy("random"), jax.random.key(0), num_users=3, name="random")
    dataset = write_minari(ID, logs, env)
    assert stepped(dataset.recover_environment()).unwrapped.env == env
    assert dataset.observation_space == gymnasium.make(dataset.env_spec).observation_space
    same(read_minari(ID), logs)


def same(read, logs):
    assert read.policies == logs.policies
    for name in ("valid", "policy", "actions", "propensities", "rewards", "observations"):
        np.testing.assert_array_equal(getattr(read, name), getattr(logs, name))
        assert getattr(read, name).dtype == getattr(logs, name).dtype


def test_what_cannot_be_written_is_refused(untyped):
    env = PolarisingUsers(horizon=4)
    trajectory = rolled(env)
    for match, played, where in [
        (r"logs.actions must be within \[0, 1\], got 2", LOGS, 2),
        (r"logs.actions must be within \[0, 1\], got 2", LOGS, KnownPreference(slate_means=(20.0, 80.0))),
        ("names without commas", LOGS.replace(policies=("a,b", "c")), 3),
        ("logs must have rewards for a Minari dataset", LOGS.replace(rewards=None), 3),
        ("observations must have 6 entries, got 2", LOGS, env),
        ("env must be an environment, got None", LOGS, None),
        ("env must be the environment that the trajectory is of, got 3", trajectory, 3),
        ("trajectory must have next_obs", trajectory.replace(next_obs=None), env),
        ("at least one whole episode", trajectory[:3], env),
        ("trajectory.obs must be", trajectory, KnownPreference()),
        ("must not be called 'policy'", trajectory.replace(metrics={"policy": jnp.zeros((8, 2))}), env),
    ]:
        with pytest.raises(jaxrec.InputError, match=match):
            write_minari(ID, played, where)


@unrecorded
def test_what_cannot_be_read_is_refused():
    env, _ = jaxrec.make("PreferenceShift-v0", **SETTINGS["PreferenceShift-v0"])
    unknown = write_minari(ID, rolled(env), dataclasses.replace(env, reward=lambda utilities, weights: 1.0))
    with pytest.raises(jaxrec.InputError, match="record the environment of jaxrec that they are of"):
        read_minari(unknown)

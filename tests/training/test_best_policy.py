"""The best policy of each run: that which earned the score, wherever the training was cut off."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kept_policies import KEYS, RUNS, same, trained
from probes import Chain

import jaxrec
from jaxrec import InputError
from jaxrec.agents import QLearning
from jaxrec.runtime import interruption
from jaxrec.training import best_policy, policy_files


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A folder of tables learned in a chain, and the last of them."""
    folder = tmp_path_factory.mktemp("chain")
    agent = QLearning(Chain(), 384, num_envs=4, num_steps=8)
    return folder, jax.vmap(agent.policy)(trained(agent, folder))


class Scripted:
    """Instead of `evaluate`: scores the table of each run by its own numbers."""

    def __call__(self, policy, params, key):
        return -jnp.abs(policy.q.sum() - 0.5)

    def __repr__(self):
        return "Scripted()"


def tables(agent):
    """The table float[chunks + 1, runs, ...] after each chunk of 4, by the agent alone; and metrics of the chunks."""
    params = jaxrec.batched(agent.env.default_params, RUNS)
    advance = jax.jit(jax.vmap(agent.advance, in_axes=(0, 0, None, None)))
    state = jax.jit(jax.vmap(agent.init))(KEYS, params)
    seen, metrics = [state.q], []
    for first in range(0, agent.num_updates, agent.num_updates // 4):
        state, told = advance(state, params, first, first + agent.num_updates // 4)
        seen.append(state.q)
        metrics.append(told)
    return np.stack(seen), metrics


def test_the_best_is_that_which_earned_the_score(chain):
    """Recomputed here: a chunk's reward is that of the table it began with, never of one that learned from it."""
    folder, _ = chain
    seen, metrics = tables(QLearning(Chain(), 384, num_envs=4, num_steps=8))
    rewards = np.stack([told["reward"] for told in metrics])
    kept = policy_files.read(folder)
    for run in range(RUNS):
        chunk = rewards[:, run].argmax()
        np.testing.assert_allclose(kept.score[run], rewards[chunk, run], rtol=1e-6)
        np.testing.assert_allclose(kept.best.q[run], seen[chunk, run], rtol=1e-6)
        assert kept.best_updates[run] == 3 * chunk


def test_a_score_of_ones_own_is_that_of_the_table_at_the_end_of_a_chunk(tmp_path):
    agent = QLearning(Chain(), 384, num_envs=4, num_steps=8)
    trained(agent, tmp_path, evaluate=Scripted())
    seen, _ = tables(agent)
    scores = -np.abs(seen[1:].sum(axis=(2, 3)) - 0.5)
    kept = policy_files.read(tmp_path)
    for run in range(RUNS):
        chunk = scores[:, run].argmax()
        np.testing.assert_allclose(kept.score[run], scores[chunk, run], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(kept.best.q[run], seen[1 + chunk, run], rtol=1e-6)
        assert kept.best_updates[run] == 3 * (chunk + 1)


def test_without_an_episode_that_ended_there_is_no_score():
    metrics = {"episode_return": np.array([np.nan, -3.0]), "episodes": np.array([0, 2])}
    np.testing.assert_array_equal(best_policy.earned(metrics), [-np.inf, -3.0])
    np.testing.assert_array_equal(best_policy.earned({"loss": np.array([2.0])}), [-2.0])


def test_each_run_has_its_own_best_and_the_first_of_equals_stays():
    kept = best_policy.Best({"w": jnp.zeros((3, 2))}, jnp.array([-jnp.inf, 1.0, 2.0]), jnp.zeros(3, jnp.int32))
    kept = best_policy.better(kept, {"w": jnp.ones((3, 2))}, np.array([0.5, 1.0, np.nan]), 7)
    np.testing.assert_array_equal(kept.policy["w"], [[1, 1], [0, 0], [0, 0]])
    np.testing.assert_array_equal(kept.score, [0.5, 1.0, 2.0])
    np.testing.assert_array_equal(kept.updates, [7, 0, 0])


def test_the_best_goes_on_bit_for_bit(tmp_path):
    agent = QLearning(Chain(), 384, num_envs=4, num_steps=8)
    settings = {"checkpoint_seconds": 0.0, "evaluate": Scripted()}
    whole = trained(agent, tmp_path / "whole", **settings)

    def stop(updates, metrics):
        if updates == 6:
            os.kill(os.getpid(), 15)

    def cut_off():
        with interruption.handling_signals():
            trained(agent, tmp_path / "run", on_metrics=stop, **settings)

    with pytest.raises(interruption.Interrupted):
        cut_off()
    assert policy_files.read(tmp_path / "run").updates == 6
    state = trained(agent, tmp_path / "run", **settings)
    same(state.q, whole.q)
    assert (tmp_path / "run" / policy_files.FILE).read_bytes() == (tmp_path / "whole" / policy_files.FILE).read_bytes()


def test_killed_between_the_last_state_and_the_policies(tmp_path):
    agent = QLearning(Chain(), 384, num_envs=4, num_steps=8)
    trained(agent, tmp_path)
    whole = (tmp_path / policy_files.FILE).read_bytes()
    (tmp_path / policy_files.FILE).unlink()
    trained(agent, tmp_path)
    assert (tmp_path / policy_files.FILE).read_bytes() == whole


def test_another_score_is_another_training(chain):
    folder, _ = chain
    with pytest.raises(InputError, match="of another training"):
        trained(QLearning(Chain(), 384, num_envs=4, num_steps=8), folder, evaluate=Scripted())


def test_scores_need_something_to_keep():
    with pytest.raises(InputError, match="evaluate scores what is kept: give checkpoints"):
        trained(QLearning(Chain(), 384, num_envs=4, num_steps=8), None, evaluate=Scripted())


def test_a_run_that_was_not_scored_has_no_best(tmp_path):
    policy = {"w": np.zeros((2, 1))}
    policy_files.write(tmp_path, policy, 4, policy, np.array([1.0, -np.inf]), np.array([2, 0]))
    same(jaxrec.load_policy(tmp_path, best=True), {"w": jnp.zeros(1)})
    for run in (1, None):
        with pytest.raises(InputError, match="has no score of every run asked for"):
            jaxrec.load_policy(tmp_path, run, best=True)

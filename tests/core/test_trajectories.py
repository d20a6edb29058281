"""What a trajectory carries, and its whole episodes, against steps taken one by one."""

import jax
import numpy as np
import pytest
from probes import Chain

import jaxrec
from jaxrec.envs.polarising import PolarisingUsers, Random
from jaxrec.policy import Stateless
from jaxrec.wrappers import TimeLimit


class Coin(Stateless):
    """Left or right."""

    def act(self, carry, obs, key):
        return jax.random.bernoulli(key).astype(np.int32), carry


@pytest.fixture(scope="module")
def trajectory():
    """Three walks that are cut off after three steps, or arrive at place 2."""
    env = TimeLimit(Chain(length=3), 3)
    return jaxrec.rollout(env, Coin(), jax.random.key(0), 4, 20, trajectory=("next_obs", "metrics")).trajectory


def test_further_fields_are_those_of_the_step(trajectory):
    places = np.clip(np.asarray(trajectory.obs) + 2 * np.asarray(trajectory.action) - 1, 0, 2)
    np.testing.assert_array_equal(trajectory.next_obs, places)
    np.testing.assert_array_equal(trajectory.metrics["place"], places)
    np.testing.assert_array_equal(trajectory.metrics["reward"], trajectory.reward)
    arrived = places == 2
    np.testing.assert_array_equal(trajectory.terminated, arrived)
    np.testing.assert_array_equal(trajectory.truncated, np.asarray(trajectory.next_state.time) == 3)
    np.testing.assert_array_equal(trajectory.done, trajectory.terminated | trajectory.truncated)
    assert (np.asarray(trajectory.truncated) & ~arrived).any()


def test_whole_episodes_are_those_of_a_loop(trajectory):
    expected = []
    for i in range(4):
        steps = []
        for t in range(20):
            steps.append((int(trajectory.obs[t, i]), int(trajectory.next_obs[t, i])))
            if trajectory.done[t, i]:
                expected.append(steps)
                steps = []
    found = jaxrec.episodes(trajectory)
    assert [list(zip(each.obs.tolist(), each.next_obs.tolist(), strict=True)) for each in found] == expected
    alone = jaxrec.episodes(trajectory[:, 0])
    assert len(alone) == int(trajectory.done[:, 0].sum())
    np.testing.assert_array_equal(alone[0].action, found[0].action)


def test_what_has_no_beginning_is_left_out(trajectory):
    late = jaxrec.episodes(trajectory[1:])
    assert len(late) == len(jaxrec.episodes(trajectory)) - 4
    assert all(each.state.time[0] == 0 for each in late)


def test_further_fields_are_there_where_they_are_asked_for():
    kept = jax.eval_shape(lambda: jaxrec.rollout(Chain(), Coin(), jax.random.key(0), 2, 6, trajectory=True).trajectory)
    assert kept.next_obs is None
    assert kept.metrics is None


@pytest.mark.parametrize("wrong", ["metrics", ("nothing",), ("metrics", "metrics"), (), 1])
def test_other_fields_are_refused(wrong, untyped):
    with pytest.raises(jaxrec.InputError, match="trajectory"):
        jaxrec.rollout(PolarisingUsers(horizon=3), Random(), jax.random.key(0), 1, 1, trajectory=wrong)


def test_a_trajectory_is_asked_for(untyped):
    with pytest.raises(jaxrec.InputError, match="trajectory"):
        jaxrec.episodes([1, 2])

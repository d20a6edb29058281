"""Environments that begin anew: no two from the same start, so that intervals hold what they say."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from probes import Chain, ChainState

import jaxrec
from benchmarks import loops
from jaxrec import vectorized
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.envs.preference import PreferenceShift
from jaxrec.envs.rewiring import RewiringGame


@pytest.mark.slow
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


@dataclasses.dataclass(unsafe_hash=True)
class Shuffled(Chain):
    """A chain whose starts are costly: drawing one takes a sort."""

    num_start_states: int = 8

    def reset_env(self, key, params):
        place = jax.random.permutation(key, self.length - 1)[0]
        state = ChainState(jnp.zeros((), jnp.int32), place, jnp.zeros(()))
        return self.observe(state, params), state


@pytest.mark.parametrize("num_envs", [3, 8, 20])
def test_episodes_begin_in_states_of_the_pool(num_envs, key):
    env = Shuffled(100)
    _, states, pool = vectorized.reset_with_pool(env, key, env.default_params, num_envs)
    assert states.place.shape == (num_envs,)
    assert pool.place.shape == (8,)
    shared = min(num_envs, 8)
    np.testing.assert_array_equal(states.place[:shared], pool.place[:shared])
    assert len(np.unique(states.place)) > 1


class Right(struct.PyTreeNode):
    """Moves right."""

    def init(self, key):
        return ()

    def act(self, carry, obs, key):
        return jnp.int32(1), carry


def test_starts_are_not_drawn_at_every_step(key):
    """XLA moves what does not change out of a loop: starts once were drawn at each step, and thrown away.

    The first ones are drawn by the same loop, so that what draws them is compiled once.
    """
    env = Shuffled(40)
    play = jax.jit(lambda key: jaxrec.rollout(env, Right(), key, 8, 64).per_env)
    program = loops.parse(play.lower(key).compile().as_text())
    found = {depth for depth, loop in program.walk() if "sort" in loop.kernels}
    at_steps, at_begins, at_draws = 1, 2, 3  # loops around them
    assert found == {at_draws}, f"in {at_steps} loop at every step, in {at_begins} whenever an episode begins"


@pytest.mark.slow
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

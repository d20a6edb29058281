"""Episodes of the rewiring game: requests, answers and rewards."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rewiring_games import states_of
from societies import as_bools

import jaxrec
from jaxrec.envs.rewiring import (
    RewiringGame,
)
from jaxrec.envs.rewiring.graph.society import Society


@cache
def resets(env):
    return jax.jit(jax.vmap(env.reset_env, in_axes=(0, None)))


def play(env, params, episodes, choose, key):
    """Episodes to their end: (last states, [(obs, state, action, reward, info, next state, whether alive)])."""
    policy = jax.vmap(choose)
    step = jax.vmap(env.step_env, in_axes=(0, 0, 0, None))

    @jax.jit
    def forward(key, obs, state, alive):
        key_act, key_step = jax.random.split(key)
        action = policy(obs, jax.random.split(key_act, episodes))
        after_obs, after, reward, terminated, info = step(jax.random.split(key_step, episodes), state, action, params)
        return after_obs, after, alive & ~terminated, (obs, state, action, reward, info, after, alive)

    obs, state = resets(env)(jax.random.split(key, episodes), params)
    alive, trace, last = jnp.ones(episodes, bool), [], state
    while alive.any():
        key, key_step = jax.random.split(key)
        obs, state, still, happened = forward(key_step, obs, state, alive)
        trace.append(jax.tree.map(np.asarray, happened))
        last = jax.tree.map(partial(where, np.asarray(alive)), trace[-1][5], last)
        alive = still
    return last, jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *trace)


def where(chosen, new, old):
    return np.where(chosen.reshape(-1, *[1] * (new.ndim - 1)), new, old)


@pytest.mark.slow
def test_learning_with_random_recommendations_ends_as_the_specification_says(key):
    env = RewiringGame(num_users=10, degree=4, rules="learning")
    params = env.default_params
    assert (params.beta, params.time_limit, params.timescale) == (0.1, 1000, 1.0)
    policy = env.policy("random")
    end, (obs, state, _, reward, info, after, alive) = play(
        env, params, 300, lambda obs, key: policy.act((), obs, key)[0], key
    )
    cooperation = as_bools(end.society.cooperators, 10).mean(axis=1)
    assert abs(cooperation.mean() - 0.43) < 0.005 + 3.5 * cooperation.std() / np.sqrt(300)
    assert abs(end.requests.mean() - 37) < 0.5 + 3.5 * end.requests.std() / np.sqrt(300)
    assert (np.isin(cooperation, (0, 1)) | (end.clock == 1000)).all()
    assert (end.clock <= 1000).all()
    np.testing.assert_allclose((reward * alive).sum(axis=1), end.requests)
    np.testing.assert_array_equal(obs.requested, state.meeting.acts)
    assert (after.requests - state.requests == obs.requested)[alive].all()
    assert not obs.requested[alive].all()
    assert (after.clock - state.clock)[alive].max() == env.max_wait
    full = ~obs.action_mask.any(axis=2) & obs.requested
    assert (np.diff(info["ineligible"], axis=1, prepend=0) == full)[alive].all()


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["carvalho", "santos"])
def test_actions_that_cannot_be(preset, key):
    """Ineligible ones leave the ties alone and are counted; where nobody asked the action is not read."""
    env = RewiringGame(num_users=12, degree=4, rules=preset, max_wait=3, observe_as="graphs_tuple")
    params = env.default_params.replace(beta=0.3, time_limit=150)

    def choose(obs, key):
        """Half of the actions are ineligible."""
        first = obs.graph.receivers[jnp.argmax(obs.graph.senders == obs.focused)]
        bad = jnp.stack([obs.focused, obs.partner, first, jnp.int32(12), jnp.int32(2**31 - 1), jnp.int32(-1)])
        good = jax.random.categorical(key, jnp.where(obs.action_mask, 0.0, -jnp.inf)).astype(jnp.int32)
        answer = jnp.where(jax.random.bernoulli(key), jax.random.choice(key, bad), good)
        return jnp.where(obs.requested, answer, jax.random.randint(key, (), -5, 20))

    end, (obs, state, action, _, info, after, alive) = play(env, params, 100, choose, key)
    inside = (action >= 0) & (action < 12)
    valid = np.take_along_axis(obs.action_mask, np.where(inside, action, 0)[..., None], axis=2)[..., 0] & inside
    refused = obs.requested & ~valid & alive
    assert refused.sum() > 200
    np.testing.assert_array_equal(info["ineligible"][alive], np.cumsum(refused, axis=1)[alive])
    rewired = (after.rewires - state.rewires)[alive]
    assert (rewired <= (obs.requested & valid)[alive]).all()
    same = (state.society.adjacency == after.society.adjacency)[alive].all(axis=(1, 2))
    np.testing.assert_array_equal(same, rewired == 0)
    societies = Society(
        adjacency=after.society.adjacency[alive],
        cooperators=after.society.cooperators[alive].T,
        members=np.zeros((0, 1, 1), np.uint32),
        edges=after.society.edges[alive],
        degrees=np.zeros((0, 1), np.int32),
    )
    # The list of ties that the graph network reads stays the graph: `states_of` compares them.
    states = states_of(societies)
    assert all(sum(map(len, one.adjacency)) == 48 for one in states)
    tied = [z in one.adjacency[x] for one, x, z in zip(states, obs.focused[alive], action[alive], strict=True)]
    assert np.array(tied)[rewired == 1].all()
    assert rewired.sum() > 200
    assert (end.clock <= 150).all()


def test_rewards_of_an_episode_are_its_requests(key):
    env = RewiringGame(num_users=12, degree=4, rules="santos", max_wait=3, observe_as="graphs_tuple")
    _, state = resets(env)(jax.random.split(key, 100), env.default_params)
    assert not state.requests.any()


@pytest.mark.slow
def test_the_aligned_reward_sums_to_that_of_the_end(key):
    """2 (c - 1/2) at the end of an episode, paid as it comes about."""
    env = RewiringGame(6, 2, "learning", reward="aligned")
    played = jaxrec.rollout(env, env.policy("random"), key, 16, 150, trajectory=True).trajectory
    ended = 0
    for i in range(16):
        one = jax.tree.map(np.asarray, played[:, i])
        last = np.flatnonzero(one.done)
        for start, end in zip([0, *(last + 1)], last, strict=False):  # what follows the last end is not whole
            cooperators = bin(int(one.next_state.society.cooperators[end, 0])).count("1")
            assert one.reward[start : end + 1].sum() == pytest.approx(2 * (cooperators / 6 - 0.5), abs=1e-5)
            ended += 1
    assert ended > 20

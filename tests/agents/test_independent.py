"""Learners that share an environment: each learns its own task, from its own turns."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from jax import Array

import jaxrec
from jaxrec import Environment, EnvParams, EnvState, Utilities
from jaxrec.agents import LSTM, MLP, PPO, IndependentPPO, NodeMLP, Ranking
from jaxrec.envs.rewiring import RewiringMarket
from jaxrec.policy import Policy
from jaxrec.spaces import Box, Discrete, Fields
from jaxrec.training import fit


class DuelState(EnvState):
    """Whose turn it is, and what each just earned."""

    turn: Any
    earned: Any


class DuelObservation(struct.PyTreeNode):
    """Nothing but whose turn it is, and whether that is one's own."""

    turn: Any
    requested: Any
    steps: Any


@dataclasses.dataclass(unsafe_hash=True)
class Duel(Environment):
    """Two learners act in random turns, six times: the first is paid 1 for action 1, the second for action 2."""

    learners: int = 2
    seat: int | None = None
    reward: Any = "engagement"

    @property
    def default_params(self):
        return EnvParams()

    def reset_env(self, key: Array, params: Any):
        turn = jax.random.bernoulli(key).astype(jnp.int32)
        state = DuelState(jnp.zeros((), jnp.int32), turn, jnp.zeros(2))
        return self.observe(state, params), state

    def transition(self, key: Array, state: Any, action: Any, params: Any):
        earned = (jnp.arange(2) == state.turn) & (action == 1 + state.turn)
        turn = jax.random.bernoulli(key).astype(jnp.int32)
        state = DuelState(state.time + 1, turn, jnp.asarray(earned, float))
        return state, state.time == 6

    def observe(self, state: Any, params: Any):
        seat = state.turn if self.seat is None else self.seat
        return DuelObservation(state.turn, state.turn == seat, jnp.asarray(state.time, float))

    def utilities(self, state: Any, action: Any, next_state: Any, params: Any):
        earned = next_state.earned.sum() if self.seat is None else next_state.earned[self.seat]
        return Utilities(earned, earned, earned)

    def metrics(self, state: Any, action: Any, next_state: Any, params: Any):
        return {}

    def action_space(self, params: Any = None):
        return Discrete(3)

    def observation_space(self, params: Any = None):
        return Fields(turn=Discrete(2), requested=Box(0, 1, (), bool), steps=Box(0, 6, ()))

    def seated(self, learner: int):
        return dataclasses.replace(self, seat=learner)

    def turn(self, state: Any):
        return state.turn


def agent_of(env, steps=8192, network=None, **changes):
    """PPO for each learner of a duel."""
    fast = {"num_envs": 32, "num_steps": 16, "learning_rate": 1e-2, "ent_coef": 0.0, "num_minibatches": 4} | changes
    network = network or MLP(3, (8,))
    return IndependentPPO(env, tuple(PPO(env.seated(i), network, steps, **fast) for i in range(2)))


@pytest.mark.slow
def test_each_learns_what_it_is_paid_for(key):
    """The other's turns must not teach it: on these its own action is not read."""
    agent = agent_of(Duel())
    state, metrics = jax.jit(agent.train)(key, agent.env.default_params)
    policy = agent.policy(state)
    assert isinstance(policy, Policy)
    played = jaxrec.rollout(agent.env, policy, key, 16, 12, trajectory=True).trajectory
    np.testing.assert_array_equal(played.action, 1 + played.obs.turn)
    assert {"reward_0", "reward_1", "entropy_0", "entropy_1", "episode_return"} <= set(metrics)


SMALL = {"num_envs": 4, "num_steps": 32, "num_minibatches": 2, "num_epochs": 2, "ent_coef": 0.0, "learning_rate": 1e-2}


def market_agents(steps=256):
    """(market with one learner, PPO in it, market with two, both learners of it)."""
    one = RewiringMarket(8, 4, rivals=("local",))
    two = dataclasses.replace(one, learners=2)
    network = Ranking(NodeMLP((4,)), width=4)
    agents = tuple(PPO(two.seated(i), network, steps, **SMALL) for i in range(2))
    return one, PPO(one, network, steps, **SMALL), two, IndependentPPO(two, agents)


@pytest.mark.slow
def test_next_to_one_without_users_a_learner_trains_as_alone(key):
    """No user of the other's ever asks: same draws, same weights (up to rounding: these are two programs)."""
    one, alone, two, both = market_agents()
    mine = one.default_params.replace(shares=np.array([0.5, 0.5]), time_limit=300)
    ours = two.default_params.replace(shares=np.array([0.5, 0.0, 0.5]), time_limit=300, beta=mine.beta)
    single, _ = jax.jit(alone.train)(key, mine)
    (first, second), metrics = jax.jit(both.train)(key, ours)
    for a, b in zip(*map(jax.tree.leaves, (single.network_params, first.network_params)), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)
    start = jax.jit(both.init)(key, ours)[0].network_params
    moved = [np.abs(a - b).max() for a, b in zip(*map(jax.tree.leaves, (first.network_params, start)), strict=True)]
    assert max(moved) > 1e-3
    assert float(metrics["reward_0"]) > 0 == float(metrics["reward_1"])
    assert not np.isnan(jax.tree.leaves(second.network_params)[0]).any()


@pytest.mark.slow
def test_the_training_loop_takes_them(key, tmp_path):
    *_, both = market_agents()
    keys, params = jax.random.split(key, 2), jaxrec.batched(both.env.default_params, 2)
    state = fit(both, keys, params, 2, checkpoints=tmp_path)
    saved = jaxrec.load_policy(tmp_path, run=None)
    weights = (jax.tree.leaves(policy) for policy in (saved, both.policy(state)))
    for kept, learned in zip(*weights, strict=True):
        np.testing.assert_array_equal(kept, learned)


def test_two_with_the_weights_of_one_network_are_refused(key):
    agent = agent_of(Duel())
    weights, other = (agent.agents[0].init(jax.random.key(i), agent.env.default_params).network_params for i in (0, 1))
    copied = jax.tree.map(jnp.array, weights)
    for second in (weights, copied):
        with pytest.raises(jaxrec.InputError, match="networks of their own"):
            agent.init(key, agent.env.default_params, (weights, second))
    with pytest.raises(jaxrec.InputError, match="one for each learner"):
        agent.init(key, agent.env.default_params, (weights,))
    agent.init(key, agent.env.default_params, (weights, other))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: IndependentPPO(Duel(), agent_of(Duel()).agents[:1]), "one for each of 2"),
        (lambda: IndependentPPO(Duel(), agent_of(Duel()).agents[::-1]), "seated"),
        (lambda: IndependentPPO(RewiringMarket(8, 4), agent_of(Duel()).agents), "several learners"),
        (lambda: agent_of(Duel(), network=LSTM(3, 4)), "memory"),
        (lambda: IndependentPPO(Duel(), (agent_of(Duel()).agents[0], agent_of(Duel(), num_envs=8).agents[1])), "agree"),
    ],
)
def test_learners_that_cannot_be(make, message, untyped):
    with pytest.raises(jaxrec.InputError, match=message):
        make()

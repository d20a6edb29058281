"""Agents to fuzz: what is static as hypothesis strategies, hyper-parameters drawn over their documented ranges."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
from configurations import ANY, ENVIRONMENTS, INFINITY, SHARE, counts, draws, numbers, of, rewards, shown, slates
from flax import struct
from hypothesis import strategies as st

import jaxrec
from jaxrec.agents import GAT, LSTM, MLP, PPO, GeometricStep, LeastSquares, NodeMLP, QLearning, Ranking, VisitStep
from jaxrec.agents.losses import SMALLEST_NORM
from jaxrec.checks import LARGEST
from jaxrec.envs.preference import PreferenceShift
from jaxrec.envs.rewiring import moments
from jaxrec.estimation import LearnUsers, generate, record
from jaxrec.offline import BatchQ

# Of each agent: a strategy for its static values, a function that builds it, and the ranges of its hyper-parameters.

updates = {"num_envs": counts(6), "num_steps": counts(8), "total_timesteps": counts(200)}
trainings = updates | {"num_epochs": counts(3), "num_minibatches": st.sampled_from([1, 1, 2, 3, 4])}


def _ppo(env_id, network, **more):
    """A strategy for PPO in environments of `env_id`; `network` makes it of `num_actions`; `more` settings."""
    settings = of(**trainings, **more)
    return st.fixed_dictionaries({"env": ENVIRONMENTS[env_id], "network": network, "settings": settings}).map(
        lambda drawn: partial(_make_ppo, env_id, drawn)
    )


def _make_ppo(env_id, drawn):
    env, _ = jaxrec.make(env_id, **drawn["env"])
    return PPO(
        env,
        drawn["network"](env.num_actions),
        **{"total_timesteps": 40, "num_envs": 4, "num_steps": 4} | drawn["settings"],
    )


def _make_ranking(embed, width, pooling, num_actions):
    return Ranking(embed(), width, pooling)


def _make_q_learning(drawn):
    env_id, arguments = drawn["env"]
    env, _ = jaxrec.make(env_id, **arguments)
    return QLearning(env, step_size=drawn["step_size"], **{"total_timesteps": 60, "num_envs": 4} | drawn["settings"])


def _make_learn_users(drawn):
    env, _ = jaxrec.make("LearnedUsers-v0", **drawn["env"])
    logs, _ = generate(jax.random.key(0), num_users=12, env=PreferenceShift(horizon=env.horizon))
    return LearnUsers(env, drawn["kind"], *logs.split(8), **{"num_epochs": 2, "batch_size": 4} | drawn["settings"])


def _make_batch_q(drawn):
    env_id, arguments = drawn["env"]
    env, _ = jaxrec.make(env_id, **arguments)
    logs, _ = record(env, env.policy("random"), jax.random.key(0), drawn["users"])
    return BatchQ(env, logs, threshold=0.1)


small = counts(6)
hidden = st.lists(st.integers(1, 9), min_size=1, max_size=2).map(tuple)
plain = st.sampled_from(["PolarisingUsers-v0", "PreferenceShift-v0"])
attention = st.builds(
    partial,
    st.just(GAT),
    layers=st.integers(1, 2),
    heads=st.integers(1, 3),
    width=st.integers(1, 4),
    residual=st.booleans(),
)
rankings = st.builds(
    partial, st.just(_make_ranking), attention | st.builds(partial, st.just(NodeMLP), hidden), st.integers(1, 6),
    st.sampled_from(["mean", "sum"]),
)  # fmt: skip
AGENTS = {
    "PPO with MLP": plain.flatmap(lambda env_id: _ppo(env_id, st.builds(partial, st.just(MLP), hidden=hidden))),
    "PPO with LSTM": plain.flatmap(
        lambda env_id: _ppo(env_id, st.builds(partial, st.just(LSTM), width=st.integers(1, 9)))
    ),
    "PPO with Ranking": _ppo("RewiringGame-v0", rankings, critic=st.just(LeastSquares(moments))),
    "QLearning": st.fixed_dictionaries({
        "env": st.tuples(st.just("PolarisingUsers-v0"), of(horizon=small, reward=rewards))
        | st.tuples(st.just("PreferenceShift-v0"), of(
            horizon=small, slate_means=slates, counts=shown["counts"], reward=rewards,
            observe_as=st.sampled_from(["state", "state", "state", "beliefs"]),
        )),
        "step_size": st.sampled_from([GeometricStep(0.5, 0.1), VisitStep(1.0)]),
        "settings": of(**updates),
    }).map(lambda drawn: partial(_make_q_learning, drawn)),
    "BatchQ": st.fixed_dictionaries({
        "env": st.tuples(st.just("PolarisingUsers-v0"), of(horizon=small, reward=rewards))
        | st.tuples(st.just("PreferenceShift-v0"), of(
            horizon=small, slate_means=slates, counts=shown["counts"], reward=rewards, observe_as=st.just("state"),
        )),
        "users": counts(30),
    }).map(lambda drawn: partial(_make_batch_q, drawn)),
    "LearnUsers": st.fixed_dictionaries({
        "env": ENVIRONMENTS["LearnedUsers-v0"],
        "kind": st.sampled_from(["future", "initial", "counterfactual"]),
        "settings": of(num_epochs=counts(3), batch_size=counts(10)),
    }).map(lambda drawn: partial(_make_learn_users, drawn)),
}  # fmt: skip
RATE = (0.0, LARGEST)
HYPER_PARAMETERS = {
    "PPO": {
        "learning_rate": RATE, "learning_rate_end": RATE, "gamma": SHARE, "gae_lambda": SHARE,
        "clip_eps": (0.0, INFINITY), "value_clip_eps": (0.0, INFINITY), "vf_coef": RATE, "ent_coef": ANY,
        "ent_coef_end": ANY, "max_grad_norm": (SMALLEST_NORM, INFINITY), "reward_scale": RATE,
    },
    "LeastSquares": {"ridge": (1e-6, LARGEST), "td_lambda": SHARE},
    "QLearning": {"gamma": SHARE, "epsilon_start": SHARE, "epsilon_end": SHARE, "initial_q": ANY, "td_lambda": SHARE},
    "BatchQ": {"gamma": SHARE, "threshold": SHARE, "pessimism": RATE, "initial_q": ANY},
    "GeometricStep": {"start": (1e-9, 1.0), "end": (1e-9, 1.0)},
    "VisitStep": {"weight": (1.0, INFINITY)},
    "LearnUsers": {
        "learning_rate": RATE, "weight_decay": RATE, "max_grad_norm": (SMALLEST_NORM, INFINITY), "ent_coef": RATE,
    },
}  # fmt: skip


def hyper_parameters(agent, rng, sets, tame=0):
    """Those of `agent` by name, with an axis of sets; the first `tame` sets have what the agent has."""
    drawn = {}
    for name, bounds in HYPER_PARAMETERS[type(agent).__name__].items():
        usual = np.full(sets, getattr(agent, name), float)
        drawn[name] = numbers(name, np.where(np.arange(sets) < tame, usual, draws(rng, *bounds, (sets,))))
    if getattr(agent, "critic", None) is not None:
        drawn["critic"] = agent.critic.replace(**hyper_parameters(agent.critic, rng, sets, tame))
    if hasattr(agent, "step_size"):
        drawn["step_size"] = agent.step_size.replace(**hyper_parameters(agent.step_size, rng, sets, tame))
    return drawn


class Swept(struct.PyTreeNode):
    """An agent for `fit` of which every run has its own hyper-parameters: its params are (hyper-parameters, params)."""

    agent: Any

    @property
    def num_updates(self):
        return self.agent.num_updates

    @property
    def sparse(self):
        return getattr(self.agent, "sparse", ())

    @property
    def env(self):
        return SimpleNamespace(check_params=self._check_params)

    def _check_params(self, params, batch=()):
        self.agent.replace(**params[0]).check()
        self.agent.env.check_params(params[1], batch)

    def check(self):
        self.agent.check()

    def init(self, key, params):
        return self.agent.replace(**params[0]).init(key, params[1])

    def advance(self, state, params, first, last):
        return self.agent.replace(**params[0]).advance(state, params[1], first, last)

"""Configurations to fuzz: what is static as hypothesis strategies, run-time values drawn over their documented ranges.

Static values may also be such as cannot be: they must be refused.
"""

import math
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
from flax import struct
from hypothesis import strategies as st

import jaxrec
from jaxrec.agents import GAT, LSTM, MLP, PPO, GeometricStep, LeastSquares, NodeMLP, QLearning, Ranking, VisitStep
from jaxrec.agents.losses import SMALLEST_NORM
from jaxrec.checks import LARGEST
from jaxrec.envs.learned import BeliefTransformer
from jaxrec.envs.learned.env import MAX_WEIGHT
from jaxrec.envs.preference import PreferenceShift
from jaxrec.envs.rewiring import Rules, moments
from jaxrec.estimation import LearnUsers, generate

INFINITY = float("inf")

# Static.


def of(**values):
    """Arguments, each left out or drawn."""
    return st.fixed_dictionaries({}, optional=values)


def counts(most):
    """Mostly positive."""
    return st.integers(1, most) | st.integers(-1, 1)


rewards = st.sampled_from(["engagement", "aligned", "penalised"])
angles = st.sampled_from([0.0, 5.0, 130.0, 359.9, 360.0]) | st.floats(0, 360)
widths = st.sampled_from([1e-3, 60.0, INFINITY]) | st.floats(0, 400)
slates = st.lists(angles, min_size=1, max_size=5).map(tuple)
items = st.lists(st.integers(0, 35), min_size=1, max_size=3).map(
    lambda chosen: tuple(tuple(np.eye(36)[item].tolist()) for item in chosen)
)
shown = {
    "horizon": counts(6),
    "slate_means": slates,
    "slate_deviations": widths | st.lists(widths, min_size=1, max_size=3).map(tuple),
    "slate_items": items,
    "counts": st.sampled_from(["dwell", "click"]),
    "reward": rewards,
}
rules = st.sampled_from(["carvalho", "santos", "printed", "learning"]) | st.builds(
    Rules,
    st.just("own"),
    st.sampled_from(["fermi", "clipped"]),
    st.sampled_from(["imitation", "self", "none"]),
    st.sampled_from(["neighbour", "edge"]),
    st.sampled_from(["focal", "either"]),
    st.sampled_from(["coins", "half"]),
    st.integers(0, 3),
)
transformers = st.builds(
    BeliefTransformer,
    width=st.sampled_from([2, 4, 6, 8]),
    heads=st.sampled_from([1, 2, 4]),
    layers=st.integers(1, 2),
    mixtures=counts(4),
    dropout=st.sampled_from([0.0, 0.1, 0.9, 1.0]),
    concentration=st.sampled_from([0.0, 1e-3, 8.0, LARGEST]),
)
ENVIRONMENTS = {
    "PolarisingUsers-v0": of(
        horizon=counts(6) | st.sampled_from([77, 78, 2**31 - 1, 2**31, 10**12]),
        factor_per=st.sampled_from(["step", "episode"]),
        reward=rewards,
    ),
    "RewiringGame-v0": of(
        num_users=st.integers(1, 40) | st.sampled_from([64, 65]),
        degree=st.integers(1, 8),
        rules=rules,
        graph=st.sampled_from(["regular", "uniform"]),
        observe_as=st.sampled_from(["dense", "graphs_tuple"]),
        max_wait=counts(5),
        any_payoffs=st.booleans(),
        reward=rewards,
    ),
    "PreferenceShift-v0": of(
        **shown,
        observe_as=st.sampled_from(["choices", "beliefs", "state"]),
        paid_for=st.sampled_from(["belief", "sampled"]),
    ),
    "LearnedUsers-v0": st.fixed_dictionaries(
        {"network": transformers}, optional=shown | {"observe_as": st.sampled_from(["choices", "beliefs"])}
    ),
}

# Run-time values: (low, high) of each parameter, as `check_params` documents them.

ANY = (-LARGEST, LARGEST)
STRENGTH = (0.0, LARGEST)
SHARE = (0.0, 1.0)
EVERYWHERE = {"influence": SHARE}
CHOICES = EVERYWHERE | {
    "choice_base": STRENGTH,
    "choice_centres": (0.0, 360.0),
    "choice_heights": STRENGTH,
    "choice_widths": (1e-3, LARGEST),
    "bait_height": STRENGTH,
    "bait_centre": (0.0, 360.0),
    "bait_width": (1e-3, LARGEST),
    "bait_cost": STRENGTH,
    "safe_weights": ANY,
}
RANGES = {
    "PolarisingUsers": EVERYWHERE | {"population": SHARE, "ceiling": SHARE},
    "RewiringGame": EVERYWHERE | {
        "beta": STRENGTH, "temptation": (0.0, 2.0), "sucker": (-1.0, 1.0), "timescale": (0.0, INFINITY),
        "time_limit": (1, 2**31 - 1),
    },
    "PreferenceShift": CHOICES | {
        "initial_mean": (0.0, 360.0), "initial_deviation": (1e-3, LARGEST), "rationality": STRENGTH, "inertia": SHARE,
    },
    "LearnedUsers": CHOICES,
}  # fmt: skip


def draws(rng, low, high, shape):
    """Ends, small numbers and zero where they are within; uniform; and of any order of magnitude, of either sign."""
    edges = [x for x in (low, high, 0.0, 1.0, -1.0, 1e-30, 1e-6, 0.3, 20.0) if low <= x <= high]
    below = min(high, 1e30)
    orders = 10.0 ** rng.uniform(-8, math.log10(below), shape) * np.where(low < 0, rng.choice([-1.0, 1.0], shape), 1.0)
    kinds = [
        rng.choice(np.asarray(edges, float), shape),
        rng.uniform(low, below, shape),
        np.clip(orders, low, high),
        rng.uniform(low, min(high, low + 3), shape),
    ]
    return np.choose(rng.choice(4, shape, p=[0.4, 0.15, 0.25, 0.2]), kinds)


def run_time_values(env, rng, sets, tame=0):
    """Parameters of `env` with a leading axis of sets; the first `tame` of them differ little from the default."""
    params = env.default_params
    ranges = RANGES[env.name] | ({"temptation": ANY, "sucker": ANY} if getattr(env, "any_payoffs", False) else {})
    values = {name: draws(rng, *ranges[name], (sets, *np.shape(getattr(params, name)))) for name in ranges}
    usual = rng.uniform(0.9, 1, sets) * (np.arange(sets) < tame)
    for name, (low, high) in ranges.items():
        default = np.asarray(getattr(params, name), float)
        factor = usual.reshape(sets, *[1] * default.ndim)
        values[name] = np.where(factor > 0, np.clip(default * factor, low, high), values[name])
    weights = {party: draws(rng, *ANY, (sets,)) for party in ("recommender", "user", "society")}
    weights = {party: np.where(usual > 0, 1.0, drawn) for party, drawn in weights.items()}
    values["reward_weights"] = jaxrec.Utilities(**weights)
    if "population" in ranges:
        factors = np.sort(draws(rng, 1.0, LARGEST, (2, sets)), axis=0)
        values["factor_low"], values["factor_high"] = np.where(usual > 0, [[1.01], [1.1]], factors)
    if env.name == "LearnedUsers":
        values["weights"] = jax.tree.map(lambda leaf: _scaled(leaf, rng, usual), params.weights)
    return params.replace(**{name: jax.tree.map(partial(_numbers, name), value) for name, value in values.items()})


def _numbers(name, values):
    return np.asarray(values, np.int32 if name == "time_limit" else jax.dtypes.canonicalize_dtype(float))


def _scaled(leaf, rng, usual):
    """Weights of a network: noise of any size."""
    shape = (len(usual), *[1] * leaf.ndim)
    size = np.where(usual > 0, 0.3, rng.choice([0.0, 1e-3, 1.0, 30.0, MAX_WEIGHT], len(usual))).reshape(shape)
    return np.asarray(np.clip(size * rng.normal(size=(len(usual), *leaf.shape)), -MAX_WEIGHT, MAX_WEIGHT), leaf.dtype)


# Agents: of each a strategy for its static values, a function that builds it, and the ranges of its hyper-parameters.

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
        drawn[name] = _numbers(name, np.where(np.arange(sets) < tame, usual, draws(rng, *bounds, (sets,))))
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

"""Recommenders that shift preferences, and recommenders penalised for it.

Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender
Systems", section 7 and Appendix G: Table 1, Figures 1 and 7.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import jaxrec
from jaxrec import checks
from jaxrec.agents import LSTM, PPO, NetworkPolicy, fit
from jaxrec.environment import batched
from jaxrec.envs.preference import PreferenceShift, exact
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.experiments.preference.shift_report import Exact, Learned, write
from jaxrec.experiments.report import Report
from jaxrec.experiments.study import Log, Study
from jaxrec.progress import Meter

MYOPIC, RL = "myopic", "rl"
ENV = PreferenceShift(reward="penalised")
CURVE = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)  # penalties at which the exact optimum is drawn


@dataclass(frozen=True)
class ShiftConfig:
    """Settings of shifting preferences."""

    seed: int = 0
    """Seed of all runs."""
    seeds: int = 5
    """Independent trainings of each recommender, all in one vmap."""
    penalties: tuple[float, ...] = (0.0, 1.0)
    """Weights nu_1 = nu_2 of engagement under initial and under natural preferences; the paper's are 0 and 1."""
    gamma: float = 0.99
    """Discount of the recommenders that look ahead; myopic ones have 0."""
    steps: int = 128_000
    """Environment steps (slates) of each training."""
    num_envs: int = 64
    """Users in parallel in each training."""
    num_steps: int = 40
    """Slates of each user in a batch."""
    num_epochs: int = 4
    """Passes over each batch."""
    num_minibatches: int = 4
    """Updates in each pass."""
    learning_rate: float = 1e-2
    """Of Adam, falling to 0 over the training."""
    clip: float = 0.2
    """How far the ratio of probabilities may leave 1."""
    value_clip: float = float("inf")
    """How far values may move in one batch."""
    value_weight: float = 0.5
    """Weight of the value loss."""
    trace: float = 0.95
    """Lambda of the advantage estimates."""
    entropy_weight: float = 0.01
    """Weight of the entropy bonus, falling to 0 over the training."""
    cells: int = 64
    """Of the LSTM."""
    trajectories: int = 1000
    """Episodes that each seed is evaluated on."""
    chunks: int = 20
    """How often progress and metrics are written."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("seeds", "cells", "trajectories", "chunks"):
            checks.positive(name, getattr(self, name))
        if not self.penalties or len(set(self.penalties)) < len(self.penalties):
            raise checks.InputError(f"penalties must be one number or more, each once, got {self.penalties}")
        checks.within("penalties", np.asarray(self.penalties), 0.0, float("inf"))
        self.agent(self.gamma).check()

    def agent(self, gamma: float) -> PPO:
        """The learner."""
        return PPO(
            ENV,
            LSTM(ENV.num_actions, self.cells),
            self.steps,
            num_envs=self.num_envs,
            num_steps=self.num_steps,
            num_epochs=self.num_epochs,
            num_minibatches=self.num_minibatches,
            learning_rate=self.learning_rate,
            clip=self.clip,
            value_clip=self.value_clip,
            value_weight=self.value_weight,
            gamma=gamma,
            trace=self.trace,
            entropy_weight=self.entropy_weight,
            reward_scale=0.1,
        )


def execute(config: ShiftConfig, log: Log, meter: Meter) -> Report:
    """Trains every recommender, plays it, and computes what would have been possible.

    Recommenders with and without foresight are trained and played on the same draws: the pairs that are compared.
    """
    key_train, key_play = jax.random.split(jax.random.key(config.seed))
    learned: list[Learned] = []
    for name, gamma in ((MYOPIC, 0.0), (RL, config.gamma)):
        learned += train(config, name, gamma, key_train, key_play, log, meter)
    return write(config, learned, optima(config), natural())


def train(
    config: ShiftConfig, name: str, gamma: float, key_train: Array, key_play: Array, log: Log, meter: Meter
) -> list[Learned]:
    """All seeds at every penalty, in one vmap, and what they do to their users."""
    agent = config.agent(gamma)
    runs = config.seeds * len(config.penalties)
    penalties = np.repeat(np.asarray(config.penalties, np.float32), config.seeds)
    params = batched(ENV.default_params, runs).replace(safe_weights=np.stack([penalties, penalties], axis=1))
    curves: list[np.ndarray] = []

    def on_metrics(batches: int, metrics: dict[str, np.ndarray]) -> None:
        curves.append(metrics["episode_return"])
        returns = {
            str(nu): float(metrics["episode_return"][penalties == np.float32(nu)].mean()) for nu in config.penalties
        }
        steps = batches * config.num_envs * config.num_steps
        log(part="training", recommender=name, steps=steps, episode_return=returns)

    task = f"training {runs} {name} recommenders"
    state = fit(agent, jax.random.split(key_train, runs), params, config.chunks, meter, on_metrics, task)
    policies = NetworkPolicy(state.weights, agent.network)
    sums, users = play(ENV, policies, jax.random.split(key_play, runs), params, config.trajectories)
    return [
        Learned(name, nu, np.stack(curves)[:, mine], {metric: sums[metric][mine] for metric in sums}, users[mine])
        for nu, mine in ((nu, penalties == np.float32(nu)) for nu in config.penalties)
    ]


def play(
    env: PreferenceShift, policies: Any, keys: Array, params: Any, trajectories: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """(metric -> float[runs, trajectories], its sum over an episode; float[runs, horizon + 1, 36], P(u_t))."""

    def of_run(policy: Any, key: Array, params: Any) -> tuple[dict[str, Array], Array]:
        result = jaxrec.rollout(env, policy, key, trajectories, env.horizon, params, trajectory=True)
        passed = result.trajectory
        users = jnp.concatenate([passed.state.preference, passed.next_state.preference[-1:]])
        sums = {name: values * env.horizon for name, values in result.per_env.items() if name.startswith("engagement")}
        return sums, jax.nn.one_hot(users, BINS).mean(axis=1)

    sums, users = jax.jit(lambda *each: jax.lax.map(lambda one: of_run(*one), each))(policies, keys, params)
    return {name: np.asarray(values) for name, values in sums.items()}, np.asarray(users)


def optima(config: ShiftConfig) -> list[Exact]:
    """The optimum under full observation at every penalty, and at those of a curve, by dynamic programming."""
    env = PreferenceShift(observe_as="state")
    params = env.default_params
    weights = jnp.asarray(sorted({*CURVE, *config.penalties}))

    @jax.jit
    def at(gamma: Array) -> Any:
        tables = env.tables(params)

        def of_weight(nu: Array) -> Any:
            policy = exact.optimal(tables, env.horizon, jnp.stack([nu, nu]), gamma)
            return exact.worth(tables, policy, params), exact.preferences(tables, policy, params)

        return jax.lax.map(of_weight, weights)

    found = []
    for name, gamma in ((MYOPIC, 0.0), (RL, config.gamma)):
        worth, users = at(jnp.asarray(gamma))
        sums = np.stack(worth, axis=1)
        found += [Exact(name, float(nu), sums[i], np.asarray(users[i])) for i, nu in enumerate(weights)]
    return found


def natural() -> np.ndarray:
    """float[horizon + 1, 36]: P(u_t) under uniform slates."""
    env = PreferenceShift(slate_means=(0.0,), slate_deviations=float("inf"), observe_as="state")
    everywhere = jnp.ones((env.horizon, 1, BINS, BINS))
    params = env.default_params
    return np.asarray(jax.jit(lambda: exact.preferences(env.tables(params), everywhere, params))())


QUICK = ShiftConfig()
PARETO = dataclasses.replace(QUICK, penalties=(0.0, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0))
PAPER = ShiftConfig(
    seeds=5, steps=60_000, num_envs=120, num_steps=10, num_epochs=50, num_minibatches=2, learning_rate=5e-3,
    clip=0.5, value_clip=50.0, value_weight=8.0,
)  # fmt: skip

STUDY = Study(
    "preference-shift",
    "Recommenders that shift preferences, and penalised for it (Carroll et al., Table 1, Figures 1 and 7)",
    {"quick": QUICK, "pareto": PARETO, "paper": PAPER},
    execute,
)

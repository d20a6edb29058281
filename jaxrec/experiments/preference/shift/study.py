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

from jaxrec import checks
from jaxrec.envs.preference import PreferenceShift, exact
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.experiments.preference.recommenders import RecommenderConfig, as_lived, play, train_recommenders
from jaxrec.experiments.preference.reference import METRICS
from jaxrec.experiments.preference.shift.report import Exact, Learned, write
from jaxrec.experiments.reports.report import Report
from jaxrec.experiments.study import Log, Study
from jaxrec.parameters import batched
from jaxrec.runtime.progress import Meter

MYOPIC, RL = "myopic", "rl"
ENV = PreferenceShift(reward="penalised")
CURVE = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)  # penalties at which the exact optimum is drawn


@dataclass(frozen=True)
class ShiftConfig(RecommenderConfig):
    """Settings of shifting preferences."""

    seed: int = 0
    """Seed of all runs."""
    seeds: int = 5
    """Independent trainings of each recommender, all in one vmap."""
    penalties: tuple[float, ...] = (0.0, 1.0)
    """Weights nu_1 = nu_2 of engagement under initial and under natural preferences; the paper's are 0 and 1."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        checks.positive("seeds", self.seeds)
        checks.seed("seed", self.seed)
        named = {f"{nu:g}" for nu in self.penalties}  # as the report does: what it takes for one must be one
        if not named or len(named) < len(self.penalties):
            raise checks.InputError(f"penalties must be one number or more, each once to six digits: {self.penalties}")
        checks.within("penalties", np.asarray(self.penalties), 0.0, checks.LARGEST)
        self.check_recommenders()
        self.agent(ENV, self.gamma).check()


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
    runs = config.seeds * len(config.penalties)
    penalties = np.repeat(np.asarray(config.penalties, np.float32), config.seeds)
    params = batched(ENV.default_params, runs).replace(safe_weights=np.stack([penalties, penalties], axis=1))
    policies, curves = train_recommenders(config, ENV, gamma, key_train, params, log, meter, name)
    keys = jax.random.split(key_play, runs)
    sums, users = play(ENV, policies, keys, params, config.eval_episodes, as_lived)
    return [
        Learned(name, nu, curves[:, mine], {metric: sums[metric][mine] for metric in METRICS}, users[mine])
        for nu, mine in ((nu, penalties == np.float32(nu)) for nu in config.penalties)
    ]


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
    clip_eps=0.5, value_clip_eps=50.0, vf_coef=8.0,
)  # fmt: skip

STUDY = Study(
    "preference-shift",
    "Recommenders that shift preferences, and penalised for it (Carroll et al., Table 1, Figures 1 and 7)",
    {"quick": QUICK, "pareto": PARETO, "paper": PAPER},
    execute,
)

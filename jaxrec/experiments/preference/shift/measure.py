"""What shifting preferences measures: what recommenders do to users, and what would have been possible."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec import random
from jaxrec.envs.preference import PreferenceShift, exact
from jaxrec.envs.preference.beliefs import belief_optimal
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.experiments.preference.recommenders import as_lived, play, train_recommenders
from jaxrec.experiments.preference.reference import METRICS
from jaxrec.experiments.preference.shift.settings import ENV, ShiftConfig
from jaxrec.experiments.runs.tools import Tools
from jaxrec.parameters import batched

MYOPIC, RL = "myopic", "rl"
CURVE = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)  # penalties at which the exact optimum is drawn


@dataclass(frozen=True)
class Learned:
    """All seeds of one recommender.

    Attributes:
        name: "myopic" or "rl".
        penalty: nu_1 = nu_2.
        curve: float[chunks, seeds], the return of an episode during training.
        sums: metric -> float[seeds, trajectories], over an episode; "reward" is what it is paid, expected over beliefs.
        users: float[seeds, horizon + 1, 36], how many of the users prefer what at each time.
    """

    name: str
    penalty: float
    curve: np.ndarray
    sums: dict[str, np.ndarray]
    users: np.ndarray

    @property
    def title(self) -> str:
        """What the paper calls it."""
        return title(self.name, self.penalty)

    def means(self, metric: str) -> np.ndarray:
        """float[seeds]: the sum over an episode; "sum" is that of all three."""
        names = METRICS if metric == "sum" else (metric,)
        return np.sum([self.sums[name].mean(axis=1) for name in names], axis=0)


@dataclass(frozen=True)
class Exact:
    """The optimum under full observation.

    Attributes:
        name, penalty: as in `Learned`.
        worth: float[3], sums over an episode in the order of `METRICS`.
        users: float[horizon + 1, 36], P(u_t).
    """

    name: str
    penalty: float
    worth: np.ndarray
    users: np.ndarray

    @property
    def title(self) -> str:
        """What the paper calls it."""
        return title(self.name, self.penalty)


@dataclass(frozen=True)
class Measured:
    """Everything measured.

    Attributes:
        learned: every recommender, without foresight and with it, at each penalty.
        optima: the optima under full observation.
        natural: float[horizon + 1, 36], P(u_t) under uniform slates.
        from_beliefs: recommender that looks ahead -> float[2], what a plan earns that does not see preferences, and
            what none exceeds, of what that recommender is paid for.
    """

    learned: list[Learned]
    optima: list[Exact]
    natural: np.ndarray
    from_beliefs: dict[str, np.ndarray]

    @property
    def named(self) -> dict[str, Learned]:
        """Every recommender by its title."""
        return {one.title: one for one in self.learned}


def title(name: str, penalty: float) -> str:
    """Names a recommender as the paper does, where the penalty is its own."""
    if penalty == 0:
        return name
    return f"penalised {name}" if penalty == 1 else f"{name}, nu = {penalty:g}"


def measure(config: ShiftConfig, tools: Tools) -> Measured:
    """Trains every recommender, plays it, and computes what would have been possible.

    Recommenders with and without foresight are trained and played on the same draws: the pairs that are compared.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        Every recommender, the optima, natural preferences, and what can be had from beliefs.
    """
    key_train, key_play = jax.random.split(random.key(config.seed, config.generator))
    learned: list[Learned] = []
    for name, gamma in ((MYOPIC, 0.0), (RL, config.ppo.gamma)):
        learned += train(config, name, gamma, key_train, key_play, tools)
    return Measured(learned, optima(config), natural(), from_beliefs(config, tools))


def train(
    config: ShiftConfig, name: str, gamma: float, key_train: Array, key_play: Array, tools: Tools
) -> list[Learned]:
    """Trains all seeds at every penalty, in one vmap, and plays them.

    Args:
        config: the settings.
        name: "myopic" or "rl".
        gamma: discount.
        key_train: a typed key, the same for both names.
        key_play: another.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        One for each penalty.
    """
    runs = config.seeds * len(config.penalties)
    penalties = np.repeat(np.asarray(config.penalties, np.float32), config.seeds)
    params = batched(ENV.default_params, runs).replace(safe_weights=np.stack([penalties, penalties], axis=1))
    policies, curves = train_recommenders(config, ENV, gamma, key_train, params, tools, name)
    keys = jax.random.split(key_play, runs)
    sums, users = play(ENV, policies, keys, params, config.eval_episodes, as_lived)
    return [
        Learned(name, nu, curves[:, mine], {metric: sums[metric][mine] for metric in (*METRICS, "reward")}, users[mine])
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
    for name, gamma in ((MYOPIC, 0.0), (RL, config.ppo.gamma)):
        worth, users = at(jnp.asarray(gamma))
        sums = np.stack(worth, axis=1)
        found += [Exact(name, float(nu), sums[i], np.asarray(users[i])) for i, nu in enumerate(weights)]
    return found


def from_beliefs(config: ShiftConfig, tools: Tools) -> dict[str, np.ndarray]:
    """Computes the bounds of what can be had from beliefs, looking ahead, at every penalty; on draws of their own."""
    tools.meter.start("planning from beliefs", len(config.penalties))
    params = ENV.default_params
    tables, key = jax.jit(ENV.tables)(params), jax.random.key(config.seed)
    found = {}
    for nu in config.penalties:
        bounds = belief_optimal(tables, ENV.horizon, params, key, (nu, nu), config.belief_points)
        found[title(RL, nu)] = np.array(bounds)
        tools.meter.advance(title(RL, nu))
    return found


def natural() -> np.ndarray:
    """float[horizon + 1, 36]: P(u_t) under uniform slates."""
    env = PreferenceShift(slate_means=(0.0,), slate_deviations=float("inf"), observe_as="state")
    everywhere = jnp.ones((env.horizon, 1, BINS, BINS))
    params = env.default_params
    return np.asarray(jax.jit(lambda: exact.preferences(env.tables(params), everywhere, params))())

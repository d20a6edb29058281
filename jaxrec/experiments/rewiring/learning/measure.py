"""What learning to rewire measures: recommenders trained, played at every size, and looked into."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec import random
from jaxrec.agents import NetworkPolicy
from jaxrec.envs.rewiring import ELEVEN, RewiringGame, heuristic
from jaxrec.envs.rewiring.heuristics import stack_kinds
from jaxrec.envs.rewiring.policies import HeuristicPolicy
from jaxrec.experiments.rewiring.learning.interpretation import interpret
from jaxrec.experiments.rewiring.learning.play import play
from jaxrec.experiments.rewiring.learning.settings import LOGGED, LearningConfig
from jaxrec.experiments.runs.tools import Tools
from jaxrec.parameters import batched
from jaxrec.runtime.progress import Meter
from jaxrec.runtime.xla_flags import BRIEFLY
from jaxrec.statistics import nanmean

MAX_USERS = 30  # of societies in which policies are interpreted; betweenness takes long in larger graphs
MAX_EPISODES = 4096  # of each heuristic; the best is played as often as all seeds of a recommender together
JUDGED = {"aligned": "cooperation", "engagement": "requests"}
"""Reward -> the metric that recommenders trained for it are judged by."""


@dataclass(frozen=True)
class Run:
    """What was trained: at which size, paid for what, with which network."""

    users: int
    reward: str
    network: str

    def __str__(self) -> str:
        return f"{self.network} for {self.reward}, N = {self.users}"


@dataclass(frozen=True)
class Learned:
    """All seeds of one run.

    Attributes:
        run: which recommender.
        steps: int[chunks], environment steps so far.
        curves: metric -> float[chunks, seeds], during training.
        played: size -> metric -> float[seeds, episodes]; see `play`.
    """

    run: Run
    steps: np.ndarray
    curves: dict[str, np.ndarray]
    played: dict[int, dict[str, np.ndarray]]

    def means(self, users: int, metric: str) -> np.ndarray:
        """float[seeds]: one number a seed, NaN where no episode has one."""
        return nanmean(self.played[users][metric])


@dataclass(frozen=True)
class Rivals:
    """The heuristics at one size.

    Attributes:
        played: metric -> float[heuristics, episodes], in the order of `ELEVEN`.
        best: what is judged -> the heuristic that came out best, and float[episodes] from episodes of its own: those in
            which it was found to be the best flatter it.
    """

    played: dict[str, np.ndarray]
    best: dict[str, tuple[str, np.ndarray]]


Heuristics = dict[int, Rivals]
"""By size."""

Looks = dict[str, dict[str, dict[str, np.ndarray]]]
"""Recommender -> part -> name -> float[seeds]; see `interpret`."""


@dataclass(frozen=True)
class Measured:
    """Everything measured.

    Attributes:
        learned: every recommender that was trained, in order.
        heuristics: at every size.
        looks: what the networks look for, where societies are small enough.
    """

    learned: list[Learned]
    heuristics: Heuristics
    looks: Looks

    def of(self, run: Run) -> Learned:
        """The recommender of a run."""
        return next(one for one in self.learned if one.run == run)


def runs_of(config: LearningConfig) -> list[Run]:
    """What is trained, in order."""
    return [
        Run(users, reward, network)
        for users in config.users
        for reward in config.rewards
        for network in config.networks
    ]


def smaller_run(config: LearningConfig, run: Run) -> Run | None:
    """The run with whose weights this one begins, at the size before; None for new weights."""
    place = config.users.index(run.users)
    return replace(run, users=config.users[place - 1]) if config.warm_start and place else None


def measure(config: LearningConfig, tools: Tools) -> Measured:
    """Trains every recommender, plays it at every size next to the heuristics, and looks at what it looks for.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        Every recommender, the heuristics, and what networks look for.
    """
    key_train, key_play, key_look = jax.random.split(random.key(config.seed, config.generator), 3)
    learned: list[Learned] = []
    policies: dict[Run, NetworkPolicy] = {}
    for run in runs_of(config):
        key_train, key = jax.random.split(key_train)
        smaller = smaller_run(config, run)
        start = None if smaller is None else policies[smaller]
        one, policies[run] = train(config, run, key, tools, start)
        learned.append(one)
    heuristics: Heuristics = {}
    for users, episodes in zip(config.evaluation_users, config.evaluation_episodes, strict=True):
        env = config.env(users, "engagement")
        key_play, *keys = jax.random.split(key_play, 2 + len(learned))
        heuristics[users] = rivals(env, keys[0], config.seeds * episodes, tools.meter)
        for one, key in zip(learned, keys[1:], strict=True):
            one.played[users] = play(env, policies[one.run], key, episodes, tools.meter)
        tools.log(
            part="played", users=users, cooperation={str(one.run): one.means(users, "cooperation") for one in learned}
        )
    looks = {}
    for run in runs_of(config):
        if run.users <= MAX_USERS:
            looks[str(run)] = interpret(config.env(run.users, "engagement"), policies[run], key_look)
    return Measured(learned, heuristics, looks)


def train(
    config: LearningConfig, run: Run, key: Array, tools: Tools, smaller: NetworkPolicy | None = None
) -> tuple[Learned, NetworkPolicy]:
    """Trains all seeds of one recommender.

    Args:
        config: the settings.
        run: at which size, for what reward, with which network.
        key: a typed key.
        tools: its log takes lines of metrics, its meter is notified of the progress.
        smaller: policies learned in a smaller society, whose weights these begin with; None for new weights.

    Returns:
        What was measured, not yet played at any size, and the policies, stacked along an axis of seeds.
    """
    agent = config.agent(run.users, run.network, run.reward)

    def line(steps: int, metrics: dict[str, np.ndarray]) -> dict[str, Any]:
        means = {name: float(nanmean(values)) for name, values in metrics.items()}
        return {"part": "training", "run": str(run), "steps": steps, **means}

    keys = jax.random.split(key, config.seeds)
    params = batched(agent.env.default_params, config.seeds)
    init = jax.jit(jax.vmap(agent.init), compiler_options=BRIEFLY)
    start = None if smaller is None else init(keys, params, smaller.network_params)
    task = f"training {config.seeds} seeds of {run}"
    state, course = tools.train(agent, keys, params, task, config.num_chunks, line, start)
    policies = NetworkPolicy(state.network_params, agent.network)
    curves = {name: course.metrics[name] for name in ("episode_return", "entropy", *LOGGED)}
    return Learned(run, course.steps, curves, {}), policies


def rivals(env: RewiringGame, key: Array, episodes: int, meter: Meter) -> Rivals:
    """Plays all heuristics, and the best of them (of equals the first) again.

    Args:
        env: the society.
        key: a typed key.
        episodes: of the best, played on their own; at most as many as `MAX_EPISODES` of each before.
        meter: notified of the progress.

    Returns:
        The heuristics at this size.
    """
    key_all, key_best = jax.random.split(key)
    played = play(env, stacked(ELEVEN), key_all, min(episodes, MAX_EPISODES), meter)
    best = {metric: ELEVEN[int(played[metric].mean(axis=1).argmax())] for metric in JUDGED.values()}
    again = play(env, stacked(tuple(best.values())), key_best, episodes, meter)
    return Rivals(played, {metric: (name, again[metric][i]) for i, (metric, name) in enumerate(best.items())})


def stacked(names: Sequence[str]) -> HeuristicPolicy:
    """Heuristics as one policy, with a leading axis."""
    return HeuristicPolicy(jax.tree.map(jnp.asarray, stack_kinds([heuristic(name) for name in names])))

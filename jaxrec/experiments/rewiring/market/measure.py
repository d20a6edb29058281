"""What a market of learners measures: recommenders trained, played to the end, and asked whether they bait."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec.envs.rewiring import MarketParams, bait, heuristic
from jaxrec.envs.rewiring.heuristics import stack_kinds
from jaxrec.envs.rewiring.market import MarketHeuristic
from jaxrec.experiments.rewiring.market.play import play
from jaxrec.experiments.rewiring.market.settings import RIVALS, MarketConfig, Run
from jaxrec.experiments.runs.tools import Tools
from jaxrec.parameters import batched
from jaxrec.runtime.xla_flags import BRIEFLY
from jaxrec.statistics import nanmean

BAITED = ("local", "mixed", "duel")
"""Markets whose learner begins below half of the users, and may win them."""


@dataclass(frozen=True)
class Learned:
    """All seeds of one run.

    Attributes:
        run: which recommender.
        steps: int[chunks], environment steps so far.
        curves: metric -> float[chunks, seeds], of the first learner during training.
        played: size -> metric -> float[seeds, episodes] or [seeds, episodes, learners]; see `play`.
        bait: "passed", "as_it_is", "clamped", "bait" -> [seeds, episodes], of the first learner; see
            `jaxrec.envs.rewiring.bait`. Empty where it begins with half of the users or more.
    """

    run: Run
    steps: np.ndarray
    curves: dict[str, np.ndarray]
    played: dict[int, dict[str, np.ndarray]]
    bait: dict[str, np.ndarray]

    def means(self, metric: str, users: int | None = None, learner: int = 0) -> np.ndarray:
        """float[seeds]: the mean over episodes at a size, that of the training if None; NaN where none has one."""
        values = self.played[self.run.users if users is None else users][metric]
        return nanmean(values if values.ndim == 2 else values[..., learner])

    @property
    def lost(self) -> np.ndarray:
        """float[seeds]: what users lose by bait and switch in an episode; one that is never won has none."""
        return np.nan_to_num(self.bait["bait"]).mean(axis=1)


@dataclass(frozen=True)
class Measured:
    """Everything measured.

    Attributes:
        learned: every recommender that was trained, in order.
        heuristics: market -> metric -> float[heuristics, episodes, ...]: heuristics in the learner's place, in the
            order of `RIVALS`; the name of a market is `place_of`.
    """

    learned: list[Learned]
    heuristics: dict[str, dict[str, np.ndarray]]

    def of(self, run: Run) -> Learned:
        """The recommender of a run."""
        return next(one for one in self.learned if one.run == run)


def place_of(run: Run, users: int) -> str:
    """The name of a market at a size, whoever serves in it."""
    return str(replace(run, users=users, reward="heuristic"))


def measure(config: MarketConfig, tools: Tools) -> Measured:
    """Trains every recommender, plays it at every size next to heuristics in its place, and asks whether it baits.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        Every recommender, and the heuristics.
    """
    key_train, key_play, key_bait = jax.random.split(jax.random.key(config.seed), 3)
    learned: list[Learned] = []
    policies: dict[Run, Any] = {}
    for i, group in enumerate(config.groups()):
        policies |= train(config, group, jax.random.fold_in(key_train, i), tools, learned, policies)
    heuristics: dict[str, dict[str, np.ndarray]] = {}
    for one in learned:
        run = one.run
        for users, episodes in zip(config.evaluation_users, config.evaluation_episodes, strict=True):
            at = replace(run, users=users)
            env, params, name = config.env(at), config.params(at), place_of(run, users)
            one.played[users] = play(env, policies[run], key_play, episodes, params, tools.meter, name)
            if run.learners == 1 and name not in heuristics:
                heuristics[name] = play(env, seated(), key_play, episodes, params, tools.meter, name)
        if run.market in BAITED:
            one.bait.update(baits(config, run, policies[run], key_bait, config.params(run)))
        tools.log(part="played", run=str(run), **{f"N = {n}": _shown(one, n) for n in config.evaluation_users})
    return Measured(learned, heuristics)


def _shown(one: Learned, users: int) -> dict[str, Any]:
    return {name: one.means(name, users).tolist() for name in ("share", "cooperation", "payoff")}


def train(
    config: MarketConfig,
    group: list[Run],
    key: Array,
    tools: Tools,
    into: list[Learned],
    before: dict[Run, Any],
) -> dict[Run, Any]:
    """Trains all seeds of several recommenders, by one program.

    Args:
        config: the settings.
        group: runs that differ in run-time values alone: shares, walls and weights.
        key: a typed key.
        tools: its log takes lines of metrics, its meter is notified of the progress.
        into: takes what was measured, not yet played.
        before: policies learned so far, with whose weights a training at a larger size may begin.

    Returns:
        The policies by run, stacked along an axis of seeds.
    """
    agent, seeds = config.agent(group[0]), config.seeds
    params = [batched(config.params(run), seeds) for run in group]
    every: MarketParams = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *params)
    keys = jnp.concatenate([jax.random.split(jax.random.fold_in(key, i), seeds) for i in range(len(group))])
    named = "" if group[0].learners == 1 else "_0"

    def line(steps: int, metrics: dict[str, np.ndarray]) -> dict[str, Any]:
        returns = metrics[f"episode_return{named}"].reshape(len(group), seeds)
        means = {str(run): float(value) for run, value in zip(group, nanmean(returns), strict=True)}
        return {"part": "training", "steps": steps, "episode_return": means}

    markets = ", ".join(dict.fromkeys(run.market for run in group))
    task = f"training {seeds} seeds among {group[0].users} users: {markets}"
    begun = [_weights(before[run]) for run in map(config.smaller, group) if run is not None]
    start = None
    if begun:
        weights = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *begun)
        start = jax.jit(jax.vmap(agent.init), compiler_options=BRIEFLY)(keys, every, weights)
    state, course = tools.train(agent, keys, every, task, config.num_chunks, line, start)
    learned = jax.vmap(agent.policy)(state)
    policies = {}
    for i, run in enumerate(group):
        those = slice(i * seeds, (i + 1) * seeds)
        policies[run] = jax.tree.map(lambda leaf, those=those: leaf[those], learned)
        curves = {name: course.metrics[f"{name}{named}"][:, those] for name in ("episode_return", "entropy")}
        into.append(Learned(run, course.steps, curves, {}, {}))
    return policies


def _weights(policy: Any) -> Any:
    """The weights of one learner, or of each of two."""
    return (
        tuple(each.network_params for each in policy.policies) if hasattr(policy, "policies") else policy.network_params
    )


def baits(config: MarketConfig, run: Run, policies: Any, key: Array, params: MarketParams) -> dict[str, np.ndarray]:
    """Asks every seed whether it baits.

    Args:
        config: the settings.
        run: which recommender.
        policies: stacked along an axis of seeds.
        key: a typed key.
        params: of the market.

    Returns:
        The fields of `Bait`, [seeds, episodes].
    """
    keys = jax.random.split(key, config.seeds)
    return bait(config.env(run), policies, keys, config.bait_episodes, params)._asdict()


def seated() -> MarketHeuristic:
    """`RIVALS` in the place of the learner, as one policy with a leading axis."""
    return MarketHeuristic(jax.tree.map(jnp.asarray, stack_kinds([heuristic(name) for name in RIVALS])))

"""What the study of proxies measures: true value while a recommender learns to raise what it is paid for."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import jaxrec
from jaxrec import random
from jaxrec.agents import NetworkPolicy
from jaxrec.experiments.preference.proxy.frontier import Frontier, frontier
from jaxrec.experiments.preference.proxy.settings import ASKER, FEATURES, KINDS, PROXIES, RECOMMENDERS, ProxyConfig
from jaxrec.experiments.runs.tools import Tools
from jaxrec.parameters import batched
from jaxrec.runtime.jit_by_class import jit
from jaxrec.wrappers import UncertainParams, UncertainReward

MEASURED = (*FEATURES, "value", "question")


@dataclass(frozen=True)
class Course:
    """One recommender while it learns, as it draws its slates in training; sums are over an episode.

    Attributes:
        steps: int[chunks], steps of one training until the end of each chunk.
        divergence: float[chunks, seeds], KL from recommending uniformly among all of its actions, nats.
        value: float[chunks, seeds], the true value to users as they are, none of whom has answered before.
        paid: float[chunks, seeds], what it is paid.
        questions: float[chunks, seeds].
    """

    steps: np.ndarray
    divergence: np.ndarray
    value: np.ndarray
    paid: np.ndarray
    questions: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """One recommender after its training, by its likeliest actions.

    Attributes:
        sums: measure -> float[seeds], mean sum over an episode.
        kinds: float[kinds, seeds], true value to users of each kind.
        certainty: float[seeds], the posterior probability of the user's kind before the last step.
    """

    sums: dict[str, np.ndarray]
    kinds: np.ndarray
    certainty: np.ndarray


@dataclass(frozen=True)
class Measured:
    """All recommenders by name (`RECOMMENDERS`), and exact policies."""

    courses: dict[str, Course]
    outcomes: dict[str, Outcome]
    frontier: Frontier


def measure(config: ProxyConfig, tools: Tools) -> Measured:
    """Trains recommenders paid for clicks, for dwelling, for the mean of what users value, and one that asks.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        Their courses and outcomes, and the exact policies.
    """
    key = random.key(config.seed, config.generator)
    courses, outcomes = {}, {}
    for names, number in ((PROXIES, 0), ((ASKER,), 1)):
        each = jax.random.split(jax.random.fold_in(key, number))
        found = train(config, names, each, tools)
        courses |= found[0]
        outcomes |= found[1]
    return Measured(
        {name: courses[name] for name in RECOMMENDERS},
        {name: outcomes[name] for name in RECOMMENDERS},
        frontier(config),
    )


def train(
    config: ProxyConfig, names: tuple[str, ...], keys: Array, tools: Tools
) -> tuple[dict[str, Course], dict[str, Outcome]]:
    """Trains recommenders that differ in what they are paid by, all in one vmap, and plays them.

    Args:
        config: the settings.
        names: of the recommenders, all of which may ask or none.
        keys: typed keys [2], of training and of play.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        (courses, outcomes), by name.
    """
    env = config.env(asks=ASKER in names)
    agent, runs = config.agent(env), len(names) * config.seeds
    paid = np.repeat(np.stack([config.paid(name) for name in names]), config.seeds, axis=0).astype(np.float32)
    truth = batched(config.params(env), runs)
    task = f"training {runs} recommenders: {', '.join(names)}"

    def line(steps: int, metrics: dict[str, np.ndarray]) -> dict[str, Any]:
        return {"part": "training", "recommenders": names, "steps": steps} | {
            name: metrics[name].reshape(len(names), -1).mean(axis=1) for name in ("reward", *FEATURES, "question")
        }

    training = truth.replace(values=paid, told=jnp.full(runs, config.told))
    state, course = tools.train(agent, jax.random.split(keys[0], runs), training, task, config.num_chunks, line)
    policies = NetworkPolicy(state.network_params, agent.network)
    sums, kinds, last = _play(env, config.eval_episodes, policies, jax.random.split(keys[1], runs), truth)
    courses, outcomes = {}, {}
    for number, name in enumerate(names):
        mine = slice(number * config.seeds, (number + 1) * config.seeds)
        courses[name] = _course(config, name, env, course.steps, {k: v[:, mine] for k, v in course.metrics.items()})
        outcomes[name] = _outcome(
            {k: np.asarray(v[mine]) for k, v in sums.items()}, *map(np.asarray, (kinds[mine], last[mine]))
        )
    return courses, outcomes


def _course(
    config: ProxyConfig, name: str, env: UncertainReward, steps: np.ndarray, metrics: dict[str, np.ndarray]
) -> Course:
    """Sums over an episode; users do the same whatever they value, so that the value of proxies is that of the mean."""
    horizon = env.horizon
    mean = np.stack([metrics[feature] for feature in FEATURES], axis=-1) @ config.mean
    return Course(
        steps,
        horizon * (np.log(env.num_actions) - metrics["entropy"]),
        horizon * (metrics["value_untold"] if name == ASKER else mean),
        horizon * metrics["reward"],
        horizon * metrics["question"],
    )


def _outcome(sums: dict[str, np.ndarray], kinds: np.ndarray, last: np.ndarray) -> Outcome:
    """Means of each seed; leaves [seeds, episodes]."""
    each = [[value[kind == number].mean() for value, kind in zip(sums["value"], kinds, strict=True)]
            for number in range(len(KINDS))]  # fmt: skip
    return Outcome({name: values.mean(axis=1) for name, values in sums.items()}, np.asarray(each), last.mean(axis=1))


@jit(static_argnames=("env", "episodes"))
def _play(
    env: UncertainReward, episodes: int, policies: NetworkPolicy, keys: Array, params: UncertainParams
) -> tuple[dict[str, Array], Array, Array]:
    """Plays each policy: (measure -> float[runs, episodes] sums, int32 kinds, float certainty before the last step)."""

    def of_run(each: tuple[NetworkPolicy, Array, UncertainParams]) -> tuple[dict[str, Array], Array, Array]:
        policy, key, params = each
        played = jaxrec.rollout(env, policy, key, episodes, env.horizon, params, True, MEASURED)
        sums = {name: played.per_env[name] * env.horizon for name in MEASURED}
        state = jax.tree.map(partial(jax.numpy.take, indices=-1, axis=0), played.trajectory.state)
        sure = jax.vmap(lambda belief, kind: belief[kind])(state.posterior, state.kind)
        return sums, state.kind, sure

    return jax.lax.map(of_run, (policies, keys, params))

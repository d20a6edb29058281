"""What the study of offline learning measures: what is learned from logs, believed and true, and what it does."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from jaxrec.agents import TabularPolicy
from jaxrec.envs.preference import PreferenceShift, exact
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.estimation import Logs, record
from jaxrec.experiments.preference.offline.settings import ENV, UPWARDS, OfflineConfig, constrained, pessimistic
from jaxrec.experiments.runs.tools import Tools
from jaxrec.offline import METHODS, BatchQ, estimate_value
from jaxrec.parameters import batched
from jaxrec.training import fit

OPTIMUM, MYOPIC, RANDOM = "optimum", "myopic", "random"


@dataclass(frozen=True)
class Measured:
    """Everything measured; engagement is summed over an episode, in the order r(u_t), r(u_0), r(u_t^rnd).

    Attributes:
        believed: float[explorations, users, learners, seeds], what each learner believes to earn.
        worth: float[explorations, users, learners, 3, seeds], what each truly earns, exactly.
        preferences: float[explorations, learners, horizon + 1, 36], P(u_t) under each, learned from most users, a mean
            over seeds.
        logged: float[explorations, 3], what the platforms earn.
        logged_preferences: float[explorations, horizon + 1, 36], P(u_t) under the platforms.
        references: name -> float[3], of policies that know how users shift, and of random slates.
        reference_preferences: name -> float[horizon + 1, 36].
        natural: float[horizon + 1, 36], P(u_t) under uniform slates.
        estimates: method -> float[users, seeds, 3], the value of the optimum estimated from the logs of random slates,
            with the ends of its interval.
    """

    believed: np.ndarray
    worth: np.ndarray
    preferences: np.ndarray
    logged: np.ndarray
    logged_preferences: np.ndarray
    references: dict[str, np.ndarray]
    reference_preferences: dict[str, np.ndarray]
    natural: np.ndarray
    estimates: dict[str, np.ndarray]


class Effect(NamedTuple):
    """What a policy does: float[3] engagement, and float[horizon + 1, 36] preferences."""

    worth: Array
    preferences: Array


def measure(config: OfflineConfig, tools: Tools) -> Measured:
    """Logs each platform, learns from its logs, and computes exactly what was learned.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        Everything measured.
    """
    shares = references()
    named = {name: jax.tree.map(np.asarray, effect(each)) for name, each in shares.items()}
    key_logs, key_evaluation = jax.random.split(jax.random.key(config.seed))
    believed, worth, preferences, logged = [], [], [], []
    for number, exploration in enumerate(config.explorations):
        mixed = (1 - exploration) * shares[MYOPIC] + exploration * shares[RANDOM]
        logged.append(jax.tree.map(np.asarray, effect(mixed)))
        platform = table(shares[MYOPIC]).replace(epsilon=exploration)
        keys = jax.random.split(jax.random.fold_in(key_logs, number), config.seeds)
        logs = [logs_of(platform, key, config.users[-1]) for key in keys]
        for users in config.users:
            found, effects = learn(config, [one.select(slice(users)) for one in logs], exploration, tools)
            believed.append(found)
            worth.append(effects.worth.transpose(0, 2, 1))
            tools.log(part="learning", exploration=exploration, users=users, believed=found, worth=worth[-1][:, 0])
            preferences.append(effects.preferences.mean(axis=1))
    sizes = len(config.explorations), len(config.users)
    return Measured(
        believed=np.reshape(believed, (*sizes, *np.shape(believed[0]))),
        worth=np.reshape(worth, (*sizes, *np.shape(worth[0]))),
        preferences=np.reshape(preferences, (*sizes, *np.shape(preferences[0])))[:, -1],
        logged=np.stack([one.worth for one in logged]),
        logged_preferences=np.stack([one.preferences for one in logged]),
        references={name: one.worth for name, one in named.items()},
        reference_preferences={name: one.preferences for name, one in named.items()},
        natural=natural(),
        estimates=evaluate(config, shares, key_evaluation, tools),
    )


def references() -> dict[str, Array]:
    """Policies that know how users shift, float[horizon, slates, 36, 36] each, and random slates."""
    tables = ENV.tables(ENV.default_params)
    best, now = exact.optimal(tables, ENV.horizon), exact.optimal(tables, ENV.horizon, gamma=0.0)
    return {OPTIMUM: best, MYOPIC: now, RANDOM: jnp.full_like(best, 1 / ENV.num_actions)}


def table(shares: Array) -> TabularPolicy:
    """The same policy on what is observed, time and u_t; `shares` do not depend on u_0."""
    q = jnp.moveaxis(shares[:, :, 0], 1, -1).reshape(-1, ENV.num_actions)  # greedy among the slates that are shown
    return TabularPolicy(jnp.pad(q, ((0, BINS), (0, 0))), ENV)


def logs_of(platform: TabularPolicy, key: Array, users: int) -> Logs:
    """Logs a platform.

    Args:
        platform: the recommender.
        key: a typed key.
        users: how many.

    Returns:
        Actions, propensities, rewards and what was observed.
    """
    logs, _ = record(ENV, platform, key, users)
    return logs.replace(slates=None, choices=None)


def learn(config: OfflineConfig, logs: list[Logs], exploration: float, tools: Tools) -> tuple[np.ndarray, Effect]:
    """Trains every learner on the logs of each seed, all in one vmap.

    Args:
        config: the settings.
        logs: of each seed.
        exploration: of the platform, for the name of the training.
        tools: its meter is notified of the progress.

    Returns:
        (float[learners, seeds] what each believes to earn, what each does, with axes of learners and seeds).
    """
    left = np.arange(ENV.horizon, -1, -1.0, dtype=np.float32)
    most = np.broadcast_to(np.repeat(left, BINS)[:, None], (len(left) * BINS, ENV.num_actions))
    rows = {UPWARDS: (0.0, 0.0, most)}
    rows |= {constrained(each): (each, 0.0, most) for each in config.thresholds}
    rows |= {pessimistic(each): (0.0, each, -most) for each in config.pessimisms}
    runs = len(rows) * config.seeds
    threshold, pessimism, initial_q = (np.repeat(np.stack(each), config.seeds, axis=0).astype(np.float32)
                                       for each in zip(*rows.values(), strict=True))  # fmt: skip
    swept: dict[str, PyTree] = {"threshold": threshold, "pessimism": pessimism, "initial_q": initial_q}
    swept["logs"] = jax.tree.map(lambda *each: jnp.tile(jnp.stack(each), (len(rows), *[1] * each[0].ndim)), *logs)
    believed = []
    state = fit(
        BatchQ(ENV, logs[0]),
        jax.random.split(jax.random.key(config.seed), runs),
        batched(ENV.default_params, runs),
        num_chunks=1,
        meter=tools.meter,
        on_metrics=lambda _, metrics: believed.append(metrics["value"]),
        task=f"learning from {logs[0].num_users} users, {100 * exploration:g} % random slates",
        swept=swept,
    )
    effects = jax.tree.map(np.asarray, _effects(jnp.where(state.allowed, state.q, -jnp.inf)))
    shape = len(rows), config.seeds
    return believed[-1].reshape(shape), jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), effects)


@jax.jit
def _effects(q: Array) -> Effect:
    """What the greedy policies of tables do, float[runs, observations, slates]; exactly."""

    def of_run(q: Array) -> Effect:
        q = q.reshape(-1, BINS, ENV.num_actions)[: ENV.horizon]
        best = q == q.max(axis=-1, keepdims=True)
        shares = jnp.moveaxis(best / best.sum(axis=-1, keepdims=True), -1, 1)
        return effect(jnp.repeat(shares[:, :, None], BINS, axis=2))

    return jax.lax.map(of_run, q)


@jax.jit
def effect(shares: Array) -> Effect:
    """What a policy does, given the probability of each slate, float[horizon, slates, 36, 36]; exactly."""
    params = ENV.default_params
    tables = ENV.tables(params)
    return Effect(jnp.stack(exact.worth(tables, shares, params)), exact.preferences(tables, shares, params))


def natural() -> np.ndarray:
    """float[horizon + 1, 36]: P(u_t) under uniform slates."""
    env = PreferenceShift(slate_means=(0.0,), slate_deviations=float("inf"), observe_as="state")
    params, everywhere = env.default_params, jnp.ones((env.horizon, 1, BINS, BINS))
    return np.asarray(jax.jit(lambda: exact.preferences(env.tables(params), everywhere, params))())


def evaluate(config: OfflineConfig, shares: dict[str, Array], key: Array, tools: Tools) -> dict[str, np.ndarray]:
    """Estimates the value of the optimum from logs of random slates, by every method.

    Args:
        config: the settings.
        shares: of the references.
        key: a typed key.
        tools: its meter is notified of the progress.

    Returns:
        Method -> float[users, seeds, 3].
    """
    target, found = table(shares[OPTIMUM]), {name: [] for name in METHODS}
    tools.meter.start("evaluating off-policy", config.seeds * len(config.users) * len(METHODS))
    for each in jax.random.split(key, config.seeds):
        logs = logs_of(table(shares[RANDOM]), each, config.users[-1])
        for users in config.users:
            value = partial(estimate_value, ENV, logs.select(slice(users)), target, each)
            for name in METHODS:
                one = value(name, num_resamples=config.resamples)
                found[name].append((one.value, one.low, one.high))
                tools.meter.advance()
    shape = config.seeds, len(config.users), 3
    return {name: np.reshape(values, shape).swapaxes(0, 1) for name, values in found.items()}

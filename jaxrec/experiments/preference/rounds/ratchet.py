"""Users who stay with exact recommenders: what a penalty that is enough for one episode does in ten.

Each platform plans by exact dynamic programming, sees what users prefer, and is paid for engagement and, weighted, for
engagement under initial and natural preferences (Carroll et al. 2022, section 5). "Initial" is what a user prefers at
the start of the session, or what it preferred when it joined, where the platform remembers.
"""

from dataclasses import dataclass

import jax
import numpy as np
from jax import Array

from jaxrec.envs.preference import PreferenceParams, PreferenceShift, Table, exact
from jaxrec.envs.preference.dynamics import BINS, JUDGES, Tables, clipped_normal, users_of
from jaxrec.estimation import Lives, Logs, Platform, Population, deploy
from jaxrec.experiments.preference.rounds.settings import COUNTS, Counts, RoundsConfig
from jaxrec.experiments.runs.tools import Tools

MEASURES = ("engagement", "safe", "seen", "apart", "bait")
"""Of a session, means over users: engagement under current preferences; under those at joining and natural since then;
twice that under preferences at the start of the session, which a platform that does not remember takes for initial;
degrees between current and natural preferences at the end; and bait consumed."""


@dataclass(frozen=True)
class Stay:
    """One exact platform, session after session.

    Attributes:
        counts: "click" or "dwell".
        penalty: nu_1 = nu_2.
        remembers: whether "initial" is what users preferred when they joined.
        measures: of `MEASURES` -> float[sessions, groups].
        users: float[sessions, 36], the share of users that prefer each angle after the session.
    """

    counts: str
    penalty: float
    remembers: bool
    measures: dict[str, np.ndarray]
    users: np.ndarray


def ratchet(config: RoundsConfig, key: Array, tools: Tools) -> list[Stay]:
    """Serves the same users for `exact_rounds` sessions by each exact platform, on the same draws.

    Args:
        config: the settings.
        key: a typed key.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        One for each payment, penalty and, where there is a penalty, each meaning of "initial".
    """
    env, world = config.society(), config.params(PreferenceParams())
    kinds: list[tuple[Counts, float, bool]] = [
        (counts, penalty, remembers)
        for counts in COUNTS
        for penalty in config.exact_penalties
        for remembers in ((False, True) if penalty else (False,))
    ]
    tools.meter.start("users who stay with exact recommenders", len(kinds))
    tables, stays = jax.jit(env.tables)(world), []
    for counts, penalty, remembers in kinds:
        stays.append(_stay(config, env, world, tables, (counts, penalty, remembers), key))
        tools.meter.advance()
        last = {name: values[[0, -1]].mean(axis=1) for name, values in stays[-1].measures.items()}
        tools.log(part="exact", counts=counts, penalty=penalty, remembers=remembers, **last)
    return stays


def left_alone(config: RoundsConfig) -> np.ndarray:
    """Computes where users would be whom nobody serves: they see uniform slates.

    Args:
        config: the settings.

    Returns:
        float[sessions, 36], the share of users that prefer each angle after each session; exactly.
    """
    env, world = config.society(), config.params(PreferenceParams())
    session = np.linalg.matrix_power(np.asarray(jax.jit(env.tables)(world).natural, float), env.horizon)
    start = np.asarray(clipped_normal(world.initial_mean, world.initial_deviation), float)
    return np.stack([start @ np.linalg.matrix_power(session, 1 + number) for number in range(config.exact_rounds)])


def _stay(
    config: RoundsConfig,
    env: PreferenceShift,
    world: PreferenceParams,
    tables: Tables,
    kind: tuple[Counts, float, bool],
    key: Array,
) -> Stay:
    population, found, users = Population.of(config.exact_users), [], []
    platform = planned(config, env, world, tables, *kind)
    for number, each in enumerate(jax.random.split(key, config.exact_rounds)):
        if kind[2] and number:
            platform = planned(config, env, world, tables, *kind, age=number * env.horizon)
        population, logs, lives = deploy(env, population, platform, each, observations=False, propensities=False)
        found.append(measured(world, logs, lives, config.seeds))
        users.append(np.bincount(np.asarray(population.preference), minlength=BINS) / config.exact_users)
    measures = {name: np.stack([one[name] for one in found]) for name in MEASURES}
    return Stay(*kind, measures, np.stack(users))


def planned(
    config: RoundsConfig, env: PreferenceShift, world: PreferenceParams, tables: Tables, counts: Counts,
    penalty: float, remembers: bool = False, age: int = 0,
) -> Platform:  # fmt: skip
    """Plans a session by exact dynamic programming.

    Args:
        config: the settings, of which the discount is read.
        env: users whose preferences are seen.
        world: run-time values.
        tables: of the slates.
        counts: what engagement is counted by.
        penalty: nu_1 = nu_2.
        remembers: whether "initial" is what users preferred when they joined.
        age: steps since then, of users who are remembered.

    Returns:
        The platform.
    """
    policy = Table(exact.optimal(tables, env.horizon, (penalty, penalty), config.ppo.gamma, counts, age))
    return Platform(policy, world, remembers=remembers)


def measured(world: PreferenceParams, logs: Logs, lives: Lives, groups: int) -> dict[str, np.ndarray]:
    """Measures a session of users in groups.

    Args:
        world: run-time values.
        logs: of the session.
        lives: the truth about it.
        groups: of users, as equal as can be.

    Returns:
        Of `MEASURES` -> float[groups], means.
    """
    items, judges = np.asarray(users_of(world).items)[np.asarray(logs.choices)], np.asarray(JUDGES)
    preferences, natural, joined = map(np.asarray, (lives.preferences, lives.natural, lives.joined))

    def under(bins: np.ndarray) -> np.ndarray:
        return (items * judges[bins]).sum(axis=(1, 2))

    since = under(np.broadcast_to(joined[:, None], logs.choices.shape)) + under(natural[:, :-1])
    start = np.broadcast_to(preferences[:, :1], logs.choices.shape)
    turned = 360 / BINS * (preferences[:, -1] - natural[:, -1])
    steps = logs.choices.shape[1]
    each = {
        "engagement": steps * np.asarray(lives.engagement),
        "safe": since,
        "seen": 2 * under(start),
        "apart": np.abs((turned + 180) % 360 - 180),
        "bait": items[..., 2].sum(axis=1) / float(world.bait_cost),
    }
    return {name: np.array([part.mean() for part in np.array_split(values, groups)]) for name, values in each.items()}

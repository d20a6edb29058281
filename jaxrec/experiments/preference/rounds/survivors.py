"""What a model believes that is learned from those who stayed."""

from dataclasses import dataclass

import jax
import numpy as np
from jax import Array

from jaxrec.envs.preference import PreferenceParams, RandomSlate
from jaxrec.estimation import Lives, Logs, Platform, Population, deploy
from jaxrec.experiments.preference.recommenders import as_believed, play
from jaxrec.experiments.preference.rounds.learning import learn_each
from jaxrec.experiments.preference.rounds.settings import RoundsConfig
from jaxrec.experiments.runs.tools import Tools
from jaxrec.parameters import batched

SOURCES = ("survivors", "everyone")
READ = ("future",)
"""The networks that expected engagement is read from, and no others."""

JOINED_FOR_ONE = 12
"""Users who join for each one that is learned from: most leave before the last session."""


@dataclass(frozen=True)
class Survivors:
    """Models learned from the last of some sessions, of users who never left and of as many of all.

    Attributes:
        share: float[seeds], of those who joined, who never left.
        lived: source -> float[seeds], engagement in a session of those who are learned from.
        anticipated: source -> float[seeds], engagement in a session that the model expects.
    """

    share: np.ndarray
    lived: dict[str, np.ndarray]
    anticipated: dict[str, np.ndarray]


def survivors(config: RoundsConfig, key: Array, tools: Tools) -> Survivors:
    """Shows random slates to users of whom the discontented leave, and to the same users as if none had.

    Both are the same users on the same draws: those who never left are some of all. A slate is as likely for each, so
    that nothing but who is left tells the two kinds of logs apart.

    Args:
        config: the settings.
        key: a typed key.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        What models of either kind expect, next to what their users lived.
    """
    model, world = config.learned(), config.params(PreferenceParams())  # compiled by the rounds already
    keys = jax.random.split(key, 3)
    each = [_sessions(config, world, jax.random.fold_in(keys[0], seed)) for seed in range(config.seeds)]
    untrained = batched(config.params(model.default_params), config.seeds)
    policies, anticipated = batched(RandomSlate(model.slates), config.seeds), {}
    for number, source in enumerate(SOURCES):
        key_learn, key_play = (jax.random.fold_in(key, number) for key in keys[1:])
        models = learn_each(config, model, untrained, key_learn, [logs[source] for _, logs, _ in each], tools, READ)
        users = jax.random.split(key_play, config.seeds)
        sums, _ = play(model, policies, users, models, config.eval_episodes, as_believed)
        anticipated[source] = sums["engagement"].mean(axis=1)
    return Survivors(
        np.array([share for share, *_ in each]),
        {source: np.array([lived[source] for *_, lived in each]) for source in SOURCES},
        anticipated,
    )


def _sessions(
    config: RoundsConfig, world: PreferenceParams, key: Array
) -> tuple[float, dict[str, Logs], dict[str, float]]:
    """Gives the share of users who never left, and the last session's logs and mean engagement of each source."""
    env = config.society()
    platform, number = Platform(RandomSlate(env.slates), world), config.survivor_sessions
    last: dict[str, tuple[Logs, Lives]] = {}
    for source, rate in zip(SOURCES, (config.survivor_rate, 0.0), strict=True):
        population = Population.of(JOINED_FOR_ONE * config.users, rate, config.loyalty)
        for each in jax.random.split(key, number):
            population, *last[source] = deploy(env, population, platform, each, observations=False, propensities=False)  # type: ignore[assignment]
    stayed = np.asarray(last["survivors"][1].sessions) == number - 1
    of = {"survivors": np.flatnonzero(stayed), "everyone": np.arange(len(stayed))}
    logs = {source: last[source][0].select(np.resize(of[source], config.users)) for source in SOURCES}
    lived = {
        source: float(env.horizon * np.asarray(last[source][1].engagement)[of[source]].mean()) for source in SOURCES
    }
    return float(stayed.mean()), logs, lived

"""Two exact platforms between which users choose: who wins them, and what the choice does to them.

Lambert 2020, "Recommendations are a game - a dangerous game (for us)": users are players as well. Here they go where
sessions have engaged them (`jaxrec.estimation.Population`), stay for all sessions, and each platform plans as in
`ratchet`, for the users who come.
"""

from dataclasses import dataclass

import jax
import numpy as np
from jax import Array

from jaxrec.envs.preference import PreferenceParams, PreferenceShift
from jaxrec.estimation import Platform, Population, deploy
from jaxrec.experiments.preference.rounds.ratchet import MEASURES, measured, planned
from jaxrec.experiments.preference.rounds.settings import Kind, RoundsConfig, title
from jaxrec.experiments.runs.tools import Tools


@dataclass(frozen=True)
class Contest:
    """Two platforms, session after session.

    Attributes:
        one, other: what each is paid for, and its penalty.
        sharpness: how strictly users go where they were engaged most; at 0 they go anywhere.
        share: float[sessions, groups], of the users, who choose `one`.
        measures: of `MEASURES` -> float[sessions, groups], of all users.
    """

    one: Kind
    other: Kind
    sharpness: float
    share: np.ndarray
    measures: dict[str, np.ndarray]

    @property
    def title(self) -> str:
        """How the report calls the two."""
        return f"{title(*self.one)} against {title(*self.other)}"


def contests(config: RoundsConfig, key: Array, tools: Tools) -> list[Contest]:
    """Lets users choose between each two of `config.rivals` for `exact_rounds` sessions, all on the same draws.

    Args:
        config: the settings.
        key: a typed key.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        One for each two platforms and each sharpness.
    """
    env, world = config.society(), config.params(PreferenceParams())
    tables, key_sessions = jax.jit(env.tables)(world), jax.random.split(key, config.exact_rounds)
    kinds = [(pair, sharpness) for pair in config.rivals for sharpness in config.sharpness]
    tools.meter.start("users who choose between two platforms", len(kinds))
    found = []
    for (one, other), sharpness in kinds:
        platforms = [planned(config, env, world, tables, *kind) for kind in (one, other)]
        found.append(Contest(one, other, sharpness, *_played(config, env, world, platforms, sharpness, key_sessions)))
        tools.meter.advance()
        last = {name: values[-1].mean() for name, values in found[-1].measures.items()}
        share = found[-1].share[-1].mean()
        tools.log(part="contest", platforms=found[-1].title, sharpness=sharpness, share=share, **last)
    return found


def _played(
    config: RoundsConfig,
    env: PreferenceShift,
    world: PreferenceParams,
    platforms: list[Platform],
    sharpness: float,
    keys: Array,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Gives who chooses the first platform and what is measured, session after session."""
    population, shares, found = Population.of(config.exact_users, platforms=2, sharpness=sharpness), [], []
    for each in keys:
        population, logs, lives = deploy(env, population, platforms, each, observations=False, propensities=False)
        here = np.array_split(np.asarray(logs.policy) == 0, config.seeds)
        shares.append([group.mean() for group in here])
        found.append(measured(world, logs, lives, config.seeds))
    return np.array(shares), {name: np.stack([session[name] for session in found]) for name in MEASURES}

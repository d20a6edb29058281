"""What retraining in rounds measures: learning platforms; exact ones, whose users stay or choose; survivors."""

from dataclasses import dataclass
from typing import cast

import jax

from jaxrec import random
from jaxrec.experiments.preference.rounds.contests import Contest, contests
from jaxrec.experiments.preference.rounds.learning import Condition, play_rounds
from jaxrec.experiments.preference.rounds.ratchet import Stay, ratchet
from jaxrec.experiments.preference.rounds.settings import Counts, Kind, RoundsConfig
from jaxrec.experiments.preference.rounds.survivors import Survivors, survivors
from jaxrec.experiments.preference.rounds.swaps import Swapped, swap
from jaxrec.experiments.runs.tools import Tools


@dataclass(frozen=True)
class Measured:
    """Everything that is measured.

    Attributes:
        conditions: learning platforms, by what they are paid for and by penalty.
        stays: exact platforms whose users stay.
        contests: two exact platforms between which users choose.
        survivors: models learned from those who never left.
        swapped: the second round taken apart; None where there is none, paid for dwelling without penalty.
    """

    conditions: list[Condition]
    stays: list[Stay]
    contests: list[Contest]
    survivors: Survivors
    swapped: Swapped | None

    def of(self, counts: str, penalty: float) -> Condition:
        """One kind of learning platform."""
        return next(one for one in self.conditions if (one.counts, one.penalty) == (counts, penalty))

    def contest(self, rival: Kind, sharpness: float) -> Contest:
        """The platform paid for dwelling, without penalty, against another."""
        return next(one for one in self.contests if (one.other, one.sharpness) == (rival, sharpness))

    def stay(self, counts: str, penalty: float, remembers: bool = False) -> Stay:
        """One exact platform.

        Args:
            counts: "click" or "dwell".
            penalty: nu_1 = nu_2.
            remembers: whether "initial" is what users preferred when they joined.

        Returns:
            Its sessions.
        """
        return next(
            one for one in self.stays if (one.counts, one.penalty, one.remembers) == (counts, penalty, remembers)
        )


def measure(config: RoundsConfig, tools: Tools) -> Measured:
    """Plays learning platforms, and exact ones whose users stay or choose, and learns from those who never left.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        Everything measured.
    """
    key = random.key(config.seed, config.generator)
    key_stays, key_survivors, key_swaps, key_contests = (jax.random.fold_in(key, number) for number in range(1, 5))
    stays = ratchet(config, key_stays, tools)
    rivals = contests(config, key_contests, tools)
    conditions, swapped = [], None
    for counts in config.counts:
        found, kept = play_rounds(config, cast(Counts, counts), key, tools)
        conditions += found
        if config.diagnosed and counts == "dwell" and kept is not None:
            number = config.penalties.index(0.0)
            mine = slice(number * config.seeds, (number + 1) * config.seeds)
            first, second = (one.mean("engagement") for one in found[number].rounds[:2])
            swapped = swap(config, kept.of(mine), (first, second), key_swaps, tools)
    return Measured(conditions, stays, rivals, survivors(config, key_survivors, tools), swapped)

"""The settings of retraining in rounds."""

from dataclasses import dataclass
from typing import Any, Literal

from jaxrec import checks
from jaxrec.envs.learned import LearnedUsers
from jaxrec.envs.preference import PreferenceShift, fitted_slates
from jaxrec.envs.preference.constants import FITTED, with_constants
from jaxrec.envs.preference.slates import ENGAGEMENTS
from jaxrec.estimation import Population
from jaxrec.experiments.preference.models import ModelConfig
from jaxrec.experiments.preference.recommenders import RecommenderConfig

Counts = Literal["click", "dwell"]
COUNTS: tuple[Counts, ...] = ("click", "dwell")
PAID = {"click": "clicks", "dwell": "dwelling"}
Kind = tuple[Counts, float]  # what a platform is paid for, and its penalty nu_1 = nu_2


@dataclass(frozen=True)
class RoundsConfig(RecommenderConfig, ModelConfig):
    """Settings of retraining in rounds."""

    constants: str = "beliefs"
    """Of the users, those that Carroll et al. do not print, and their slates: a name of `fitted_params`."""
    rounds: int = 2
    """Times that a learning platform learns a model from the logs and a recommender from the model."""
    counts: tuple[str, ...] = ("dwell",)
    """What learning platforms are paid for: click, dwell."""
    penalties: tuple[float, ...] = (0.0,)
    """Of learning platforms: weights of engagement under initial and under natural preferences."""
    rate: float = 1.0
    """How often a user of a learning platform leaves after a session of engagement 0; at 1 every round has new ones."""
    loyalty: float = 2.0
    """How much less likely users leave whom a session engaged."""
    exact_rounds: int = 10
    """Sessions of users who stay with exact recommenders."""
    exact_penalties: tuple[float, ...] = (0.0, 0.25, 1.0, 5.0)
    """Of exact recommenders."""
    exact_users: int = 3_000
    """Users of each exact recommender, in as many groups as there are seeds."""
    sharpness: tuple[float, ...] = (0.0, 2.0, 8.0)
    """How strictly users go to the one of two exact platforms where they were engaged more; 0 for anywhere."""
    survivor_rate: float = 0.5
    """How often a user leaves after a session of engagement 0 where survivors are learned from."""
    survivor_sessions: int = 3
    """Sessions after which those who never left are learned from."""
    bait_height: float = 1.5
    """How much more the worst bait attracts choice than it deserves; 0 for a world without clickbait."""
    bait_centre: float = 230.0
    """Where bait lies, degrees. At 230 it hardly moves users who are left alone, so that what happens to users who stay
    is what platforms do; at 200 it takes them to 270 degrees."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        super().check()
        checks.lookup(FITTED, self.constants, "constants")
        self.check_recommenders()
        for name in ("rounds", "exact_rounds", "survivor_sessions"):
            checks.positive(name, getattr(self, name))
        checks.positive("exact_users", self.exact_users, checks.MOST_STEPS)
        if self.exact_users < 2 * self.seeds:
            raise checks.InputError(f"exact_users must be at least two a seed, got {self.exact_users}")
        checks.distinct("counts", self.counts)
        for name in self.counts:
            checks.lookup(dict.fromkeys(ENGAGEMENTS), name, "one of counts")
        for name in ("penalties", "exact_penalties"):
            values = getattr(self, name)
            checks.within(name, values, 0.0, checks.LARGEST)
            if not values or len({f"{value:g}" for value in values}) < len(values):
                raise checks.InputError(f"{name} must be one number or more, each once to six digits, got {values}")
        checks.within("sharpness", self.sharpness, 0.0, checks.LARGEST)
        checks.distinct("sharpness", self.sharpness)
        checks.within("rate", self.rate, 0.0, 1.0)
        checks.within("survivor_rate", self.survivor_rate, 0.0, 0.9)
        checks.within("loyalty", self.loyalty, 0.0, checks.LARGEST)
        checks.within("bait_height", self.bait_height, 0.0, checks.LARGEST)
        checks.within("bait_centre", self.bait_centre, 0.0, 360.0)
        self.agent(self.learned(), self.ppo.gamma).check()

    def params(self, default: Any) -> Any:
        """`default` with bait, and with the constants."""
        return with_constants(default, self.constants).replace(
            bait_height=self.bait_height, bait_centre=self.bait_centre
        )

    def society(self, observe_as: Any = "state", **settings: Any) -> PreferenceShift:
        """The users, with the slates that belong to the constants."""
        return PreferenceShift(slate_means=fitted_slates(self.constants), observe_as=observe_as, **settings)

    def learned(self, **settings: Any) -> LearnedUsers:
        """A model of them, paid for engagement and for safe engagement."""
        return LearnedUsers(slate_means=fitted_slates(self.constants), reward="penalised", **settings)

    def population(self) -> Population:
        """The users of a learning platform before its first round."""
        return Population.of(self.users, self.rate, self.loyalty)

    @property
    def rivals(self) -> list[tuple[Kind, Kind]]:
        """Each two exact platforms that users choose between."""
        strong = max(self.exact_penalties)
        penalised: list[tuple[Kind, Kind]] = [(("dwell", 0.0), ("dwell", strong))] if strong else []
        return [(("dwell", 0.0), ("click", 0.0)), *penalised]

    @property
    def diagnosed(self) -> bool:
        """Whether there is a second round of a platform paid for dwelling, without penalty, to be taken apart."""
        return "dwell" in self.counts and 0.0 in self.penalties and self.rounds > 1


def title(counts: str, penalty: float) -> str:
    """Names a kind of platform as the report does."""
    return f"paid for {PAID[counts]}{f', penalised by {penalty:g}' if penalty else ''}"

"""The settings of the search for the unpublished constants."""

from dataclasses import dataclass

from jaxrec import checks
from jaxrec.experiments.preference.constants.society import CandidateUsers
from jaxrec.experiments.preference.recommenders import RecommenderConfig
from jaxrec.experiments.runs.limits import check_training

ENV = CandidateUsers(reward="penalised")


@dataclass(frozen=True)
class ConstantsConfig(RecommenderConfig):
    """Settings of the search for the unpublished constants."""

    seed: int = 0
    """Seed of the search and of all trainings."""
    screened: int = 6144
    """Candidates that are played without training; half fill the ranges, the others lie around the best of those."""
    screen_users: int = 128
    """Users of each of them."""
    shortlist: int = 12
    """The best of the screen, for each of which four recommenders are trained, all in one vmap; half of them keep the
    printed lambda."""
    shortlist_steps: int = 32_000
    """Environment steps (slates) of each of those trainings."""
    finalists: int = 2
    """The best of the shortlist, which are trained again for `steps`, beside the constants fitted to optima; half of
    them, or one more, keep the printed lambda."""
    seeds: int = 5
    """Independent trainings of each finalist."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        checks.seed("seed", self.seed)
        for name in ("screen_users", "shortlist", "finalists", "seeds"):
            checks.positive(name, getattr(self, name))
        if self.screened < max(64, 2 * self.shortlist):
            raise checks.InputError(
                f"screened must be at least 64 and twice the shortlist of {self.shortlist}, got {self.screened}"
            )
        if self.finalists > self.shortlist:
            raise checks.InputError(
                f"finalists must be at most the shortlist of {self.shortlist}, got {self.finalists}"
            )
        self.check_recommenders()
        check_training(
            "shortlist_steps", self.shortlist_steps, self.shortlist_steps, self.ppo.num_envs, self.ppo.num_steps
        )
        self.agent(ENV, self.ppo.gamma).check()

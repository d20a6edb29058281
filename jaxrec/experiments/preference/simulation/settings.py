"""The settings of training in simulation, and where its users are."""

from dataclasses import dataclass

from jaxrec import checks
from jaxrec.envs.learned import Deployed, LearnedUsers
from jaxrec.envs.preference import PreferenceShift
from jaxrec.experiments.preference.models import ModelConfig
from jaxrec.experiments.preference.recommenders import RecommenderConfig

WORLD = PreferenceShift(reward="penalised")
MODEL = LearnedUsers(reward="penalised")
DEPLOYED = Deployed(users=PreferenceShift(observe_as="state"), model=MODEL)


@dataclass(frozen=True)
class SimulationConfig(RecommenderConfig, ModelConfig):
    """Settings of training in simulation."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        super().check()
        self.check_recommenders()
        if self.eval_episodes < 2:
            raise checks.InputError(f"eval_episodes must be at least 2, got {self.eval_episodes}")
        self.agent(WORLD, self.ppo.gamma).check()

"""The settings of retraining in rounds."""

from dataclasses import dataclass
from typing import Any

from jaxrec import checks
from jaxrec.envs.learned import LearnedUsers
from jaxrec.experiments.preference.models import ModelConfig
from jaxrec.experiments.preference.recommenders import RecommenderConfig


@dataclass(frozen=True)
class RoundsConfig(RecommenderConfig, ModelConfig):
    """Settings of retraining in rounds."""

    rounds: int = 4
    """Times that a model is learned from the logs and a recommender from the model."""
    bait_height: float = 1.5
    """How much more the worst bait attracts choice than it deserves; 0 for a world without clickbait."""
    bait_centre: float = 200.0
    """Where bait lies, degrees."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        super().check()
        self.check_recommenders()
        checks.positive("rounds", self.rounds)
        checks.within("bait_height", self.bait_height, 0.0, checks.LARGEST)
        checks.within("bait_centre", self.bait_centre, 0.0, 360.0)
        self.agent(LearnedUsers(), self.ppo.gamma).check()

    def params(self, default: Any) -> Any:
        """`default` with bait."""
        return default.replace(bait_height=self.bait_height, bait_centre=self.bait_centre)

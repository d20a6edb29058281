"""The settings of a training: which society, which learner, and how long."""

from dataclasses import dataclass

from jaxrec.experiments.runs.learners import LearnerSettings
from jaxrec.experiments.runs.worlds import WorldSettings


@dataclass(frozen=True)
class TrainSettings(LearnerSettings):
    """Settings of a training but for the society."""

    timesteps: int = 3_000_000
    """Environment steps of each training."""


@dataclass(frozen=True)
class TrainConfig(WorldSettings, TrainSettings):
    """Settings of a training."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        env, _ = self.world()
        self.check_learner(env)

"""The settings of a training: which society, which learner, and what it is played beside."""

from dataclasses import dataclass

from jaxrec import checks
from jaxrec.experiments.runs.learners import LearnerSettings, LearningConfig


@dataclass(frozen=True)
class TrainSettings(LearnerSettings):
    """Settings of a training but for the society."""

    compare: tuple[str, ...] = ("random",)
    """Policies of the environment that are played beside the learned ones, on the same draws; see `jaxrec list`."""


@dataclass(frozen=True)
class TrainConfig(LearningConfig, TrainSettings):
    """Settings of a training."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        super().check()
        checks.distinct("compare", self.compare)
        env, params = self.world()
        for name in self.compare:
            env.policy(name, params)

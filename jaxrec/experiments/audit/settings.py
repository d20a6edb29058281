"""The settings of an audit: which society, which learner, and how long."""

from dataclasses import dataclass

from jaxrec import checks
from jaxrec.audit.worlds import is_split
from jaxrec.experiments.runs.learners import LearnerSettings, LearningConfig


@dataclass(frozen=True)
class AuditSettings(LearnerSettings):
    """Settings of an audit but for the society."""

    split: bool = True
    """Train a third learner, paid for initial preferences, which splits the incentive; of reward "engagement" alone."""
    diagram_steps: int = 3
    """Recommendations in the causal diagram."""


@dataclass(frozen=True)
class AuditConfig(LearningConfig, AuditSettings):
    """Settings of an audit; `params` are those of the world with influence."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        super().check()
        checks.positive("diagram_steps", self.diagram_steps, 100)
        if not self.world()[0].preferences:
            raise checks.InputError(f"env must name its preferences, {self.env} does not")

    @property
    def splits(self) -> bool:
        """Whether a third learner is trained."""
        return self.split and is_split(self.world()[0])

    @property
    def num_worlds(self) -> int:
        """Worlds in which the learner is trained."""
        return 3 if self.splits else 2

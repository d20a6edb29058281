"""The settings of an audit: which society, which learner, and how long."""

from dataclasses import dataclass

from jaxrec import checks
from jaxrec.audit.worlds import is_split
from jaxrec.experiments.runs.learners import LearnerSettings
from jaxrec.experiments.runs.worlds import WorldSettings


@dataclass(frozen=True)
class AuditSettings(LearnerSettings):
    """Settings of an audit but for the society."""

    split: bool = True
    """Train a third learner, paid for initial preferences, which splits the incentive; of reward "engagement" alone."""
    diagram_steps: int = 3
    """Recommendations in the causal diagram."""


@dataclass(frozen=True)
class AuditConfig(WorldSettings, AuditSettings):
    """Settings of an audit; its society is the one with influence."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        checks.positive("diagram_steps", self.diagram_steps, 100)
        env, _ = self.world()
        if not env.preferences:
            raise checks.InputError(f"env must name its preferences, {self.env} does not")
        self.check_learner(env)

    @property
    def splits(self) -> bool:
        """Whether a third learner is trained."""
        return self.split and is_split(self.world()[0])

    @property
    def num_worlds(self) -> int:
        """Worlds in which the learner is trained."""
        return 3 if self.splits else 2

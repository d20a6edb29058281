"""The settings of the tampering study."""

from dataclasses import dataclass

from jaxrec import checks, random
from jaxrec.agents import QLearning, QLearningSettings
from jaxrec.agents.q_learning import MOST_VISITS
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.experiments.runs.limits import check_training


@dataclass(frozen=True)
class TamperingConfig:
    """Settings of the tampering study."""

    seeds: int = 5
    """Independent trainings in each world; intervals need at least 2."""
    seed: int = 0
    """Seed of the first training."""
    generator: str = "threefry"
    """Of random numbers: threefry, JAX's own; or hash, which compiles sooner and fuses on a GPU (`jaxrec.random`)."""
    episodes: int = 4_000_000
    """Training episodes (of 30 recommendations) of each run."""
    q_learning: QLearningSettings = QLearningSettings()
    """Of the learner."""
    evaluation_episodes: int = 10_000
    """Episodes of the greedy policy for each user and seed."""
    num_chunks: int = 40
    """How often progress and metrics are written."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("seeds", "episodes", "evaluation_episodes", "num_chunks"):
            checks.positive(name, getattr(self, name))
        checks.positive("evaluation_episodes", self.evaluation_episodes, checks.MOST_STEPS)
        checks.seed("seed", self.seed)
        checks.lookup(random.GENERATORS, self.generator, "generator")
        with checks.prefixed("q_learning"):
            self.q_learning.check()
        env, learner = PolarisingUsers(), self.q_learning
        steps = self.episodes * env.horizon
        check_training("episodes", self.episodes, steps, learner.num_envs, learner.num_steps, MOST_VISITS)
        self.agent(env).check()

    def agent(self, env: PolarisingUsers) -> QLearning:
        """The learner."""
        return self.q_learning.agent(env, self.episodes * env.horizon)

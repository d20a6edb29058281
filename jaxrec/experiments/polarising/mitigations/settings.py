"""The settings of the mitigations study."""

from dataclasses import dataclass

from jaxrec import checks
from jaxrec.agents import QLearning, QLearningSettings
from jaxrec.agents.q_learning import MOST_VISITS
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.experiments.runs.limits import check_training


@dataclass(frozen=True)
class MitigationsConfig:
    """Settings of the mitigations study."""

    weights: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
    """Of the users' utility in the reward, in [0, 1]; the rest is paid for clicks."""
    gammas: tuple[float, ...] = (0.0, 0.5, 0.9)
    """Discounts of learners that are paid for clicks alone and look less far ahead; 0 is a contextual bandit."""
    safe_margin: float = 0.02
    """How much more opposed content, as a share, than one that learned without influence a safe learner may show."""
    seeds: int = 3
    """Independent trainings of each learner; intervals need at least 2."""
    seed: int = 0
    """Seed of all random draws."""
    episodes: int = 2_000_000
    """Training episodes (of 30 recommendations) of each run."""
    q_learning: QLearningSettings = QLearningSettings()
    """Of all learners; `gammas` stand in place of its own discount."""
    evaluation_episodes: int = 2_000
    """Episodes of each policy for each user and seed."""
    num_chunks: int = 20
    """How often progress and metrics are written."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("seeds", "episodes", "evaluation_episodes", "num_chunks"):
            checks.positive(name, getattr(self, name))
        checks.positive("evaluation_episodes", self.evaluation_episodes, checks.MOST_STEPS)
        checks.seed("seed", self.seed)
        for name in ("weights", "gammas"):
            values = getattr(self, name)
            checks.within(name, values, 0.0, 1.0)
            if len({f"{value:g}" for value in values}) < max(len(values), name == "weights"):
                raise checks.InputError(f"{name} must be numbers, each once to six digits, got {values}")
        checks.within("safe_margin", self.safe_margin, 0.0, 1.0)
        with checks.prefixed("q_learning"):
            self.q_learning.check()
        env, learner = PolarisingUsers(), self.q_learning
        steps = self.episodes * env.horizon
        check_training("episodes", self.episodes, steps, learner.num_envs, learner.num_steps, MOST_VISITS)
        self.agent(env).check()

    def agent(self, env: PolarisingUsers) -> QLearning:
        """The learner."""
        return self.q_learning.agent(env, self.episodes * env.horizon)


def weighted(weight: float) -> str:
    """How a learner is called in whose reward users have a weight."""
    return f"users' weight {weight:g}"


def discounted(gamma: float) -> str:
    """How a learner is called that looks less far ahead."""
    return f"gamma {gamma:g}"

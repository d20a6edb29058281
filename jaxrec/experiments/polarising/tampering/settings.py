"""The settings of the tampering study."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jaxrec import checks
from jaxrec.agents.q_learning import MOST_VISITS, QLearning
from jaxrec.agents.step_sizes import SMALLEST_STEP, GeometricStep, VisitStep
from jaxrec.envs.polarising import TRAINING, UNSEEN, PolarisingUsers
from jaxrec.experiments.runs.limits import check_training

USERS = {**TRAINING, **UNSEEN}
CENTRIST = list(USERS).index("centrist")
POLARISABLE = [i for i in range(len(USERS)) if i != CENTRIST]
TRAINED_ON = slice(0, len(TRAINING))
LEFT_WING = [i for i, theta in enumerate(USERS.values()) if theta[0] == max(theta)]


@dataclass(frozen=True)
class TamperingConfig:
    """Hyper-parameters of the tampering study."""

    seeds: int = 5
    """Independent trainings in each world; intervals need at least 2."""
    seed: int = 0
    """Seed of the first training."""
    episodes: int = 4_000_000
    """Training episodes (of 30 recommendations) of each run."""
    num_envs: int = 8192
    """Users served in parallel."""
    num_steps: int = 30
    """Steps of each user in a batch, learned from backwards; 1 is the classical order."""
    gamma: float = 0.999
    """Discount."""
    epsilon_start: float = 0.3
    """Share of random actions at the start of the training."""
    epsilon_end: float = 0.0
    """Share of random actions at its end; linear in between."""
    step_size: Literal["visits", "geometric"] = "visits"
    """Step size: falling with the visits of a cell, or over the training whatever the visits."""
    visit_weight: float = 4.0
    """For `visits`: the n-th visit has step 1 - ((n-1)/n)^weight."""
    alpha_start: float = 0.45
    """For `geometric`: step size at the start."""
    alpha_end: float = 0.06
    """For `geometric`: step size at the end."""
    td_lambda: float = 0.6
    """Lambda of Q(lambda): how much of the return that followed goes into the target; 0 is Q-learning proper."""
    evaluation_episodes: int = 10_000
    """Episodes of the greedy policy for each user and seed."""
    num_chunks: int = 40
    """How often progress and metrics are written."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("seeds", "episodes", "num_envs", "num_steps", "evaluation_episodes", "num_chunks"):
            checks.positive(name, getattr(self, name))
        checks.positive("evaluation_episodes", self.evaluation_episodes, checks.MOST_STEPS)
        checks.seed("seed", self.seed)
        for name in ("gamma", "epsilon_start", "epsilon_end", "td_lambda"):
            checks.within(name, getattr(self, name), 0.0, 1.0)
        for name in ("alpha_start", "alpha_end"):
            checks.within(name, getattr(self, name), SMALLEST_STEP, 1.0)
        checks.within("visit_weight", self.visit_weight, 1.0, np.inf)
        checks.lookup(self.step_sizes, self.step_size, "step_size")
        env = PolarisingUsers()
        steps = self.episodes * env.horizon
        check_training("episodes", self.episodes, steps, self.num_envs, self.num_steps, MOST_VISITS)
        self.agent(env).check()

    @property
    def step_sizes(self) -> dict[str, Any]:
        """What `step_size` may be."""
        return {
            "visits": VisitStep(self.visit_weight),
            "geometric": GeometricStep(self.alpha_start, self.alpha_end),
        }

    def agent(self, env: PolarisingUsers) -> QLearning:
        """The learner."""
        return QLearning(
            env,
            total_timesteps=self.episodes * env.horizon,
            num_envs=self.num_envs,
            num_steps=self.num_steps,
            gamma=self.gamma,
            epsilon_start=self.epsilon_start,
            epsilon_end=self.epsilon_end,
            step_size=self.step_sizes[self.step_size],
            td_lambda=self.td_lambda,
        )

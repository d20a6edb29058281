"""Hyper-parameters as plain values: what a study holds, its manifest keeps, and the command line changes."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jaxrec import checks
from jaxrec.agents.losses import RANGES
from jaxrec.agents.ppo import PPO
from jaxrec.agents.q_learning import QLearning
from jaxrec.agents.step_sizes import SMALLEST_STEP, GeometricStep, VisitStep
from jaxrec.environment import Environment


@dataclass(frozen=True)
class PPOSettings(checks.KnownKeywords):
    """Hyper-parameters of PPO but for how long it trains, which a study says in its own words."""

    num_envs: int = 64
    """Environments in parallel in each training."""
    num_steps: int = 128
    """Steps of each environment in a batch."""
    num_epochs: int = 4
    """Passes over each batch."""
    num_minibatches: int = 4
    """Updates in each pass."""
    learning_rate: float = 1e-3
    """Of Adam, falling to 0 over the training."""
    gamma: float = 0.99
    """Discount."""
    gae_lambda: float = 0.95
    """Lambda of the advantage estimates."""
    clip_eps: float = 0.2
    """How far the ratio of probabilities may leave 1."""
    value_clip_eps: float = float("inf")
    """How far values may move in one batch."""
    vf_coef: float = 0.5
    """Weight of the value loss."""
    ent_coef: float = 0.01
    """Weight of the entropy bonus, falling to 0 over the training."""

    def check(self) -> None:
        """Raises InputError for a value out of range."""
        for name in ("num_envs", "num_steps", "num_epochs", "num_minibatches"):
            checks.positive(name, getattr(self, name))
        for name in RANGES.keys() & vars(self).keys():
            checks.within(name, getattr(self, name), *RANGES[name])

    def agent(self, env: Environment, network: Any, total_timesteps: int, **changes: Any) -> PPO:
        """Builds the learner.

        Args:
            env: the environment.
            network: see `networks`.
            total_timesteps: environment steps of the training.
            **changes: fields of PPO, instead of these or beside them.

        Returns:
            The agent.
        """
        return PPO(env, network, total_timesteps, **(dataclasses.asdict(self) | changes))


@dataclass(frozen=True)
class QLearningSettings(checks.KnownKeywords):
    """Hyper-parameters of tabular Q-learning but for how long it trains, which a study says in its own words."""

    num_envs: int = 8192
    """Environments in parallel in each training."""
    num_steps: int = 30
    """Steps of each environment in a batch, learned from backwards; 1 is the classical order."""
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

    def check(self) -> None:
        """Raises InputError for a value out of range, or one of a step size that is not chosen."""
        for name in ("num_envs", "num_steps"):
            checks.positive(name, getattr(self, name))
        for name in ("gamma", "epsilon_start", "epsilon_end", "td_lambda"):
            checks.within(name, getattr(self, name), 0.0, 1.0)
        for name in ("alpha_start", "alpha_end"):
            checks.within(name, getattr(self, name), SMALLEST_STEP, 1.0)
        checks.within("visit_weight", self.visit_weight, 1.0, np.inf)
        checks.lookup(self._step_sizes, self.step_size, "step_size")
        others = {"visits": ("alpha_start", "alpha_end"), "geometric": ("visit_weight",)}
        checks.unread(self, others[self.step_size], f"step_size {self.step_size!r}")

    def agent(self, env: Environment, total_timesteps: int) -> QLearning:
        """Builds the learner for an environment, which takes `total_timesteps` steps in it."""
        return QLearning(
            env,
            total_timesteps,
            num_envs=self.num_envs,
            num_steps=self.num_steps,
            gamma=self.gamma,
            epsilon_start=self.epsilon_start,
            epsilon_end=self.epsilon_end,
            step_size=self._step_sizes[self.step_size],
            td_lambda=self.td_lambda,
        )

    @property
    def _step_sizes(self) -> dict[str, GeometricStep | VisitStep]:
        return {
            "visits": VisitStep(self.visit_weight),
            "geometric": GeometricStep(self.alpha_start, self.alpha_end),
        }

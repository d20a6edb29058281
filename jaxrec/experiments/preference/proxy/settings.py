"""The settings of the study of proxies."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxrec import checks, random
from jaxrec.agents import MLP, PPO, PPOSettings
from jaxrec.envs.preference import PreferenceParams, PreferenceShift, fitted_params, fitted_slates
from jaxrec.envs.preference.constants import FITTED
from jaxrec.experiments.runs.limits import check_training
from jaxrec.wrappers import UncertainParams, UncertainReward

FEATURES = ("click", "engagement", "engagement_initial", "bait")
KINDS = {
    "browses": (1.0, 0.0, 0.0, 0.0),
    "enjoys": (0.0, 1.0, 0.0, 0.0),
    "stays the same": (0.0, 0.0, 1.0, 0.0),
    "regrets bait": (0.0, 1.0, 0.0, -1.0),
}
"""Kinds of users: what a unit of each feature is worth to them."""

PROXIES = ("clicks", "dwelling", "mean")
ASKER = "asking"
RECOMMENDERS = (*PROXIES, ASKER)


@dataclass(frozen=True)
class ProxyConfig:
    """Settings of the study of proxies."""

    seed: int = 0
    """Seed of all runs."""
    generator: str = "threefry"
    """Of random numbers: threefry, JAX's own; or hash, which compiles sooner and fuses on a GPU (`jaxrec.random`)."""
    seeds: int = 5
    """Independent trainings of each recommender."""
    constants: str = "beliefs"
    """Of the users, those that Carroll et al. do not print, and their slates: a name of `fitted_params`."""
    shares: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25)
    """Of users who browse, who enjoy, who want to stay the same, and who regret bait; they sum to 1."""
    cost: float = 0.1
    """The value that a question loses."""
    noise: float = 0.1
    """How often an answer is drawn from all kinds alike."""
    told: float = 0.5
    """In training, how many users have answered once before the episode, at no cost; none of those judged has."""
    meanwhile: int = 2
    """The slate that is shown with a question: 2 lies at 120 degrees (optima: 140), near to where users begin."""
    bait_height: float = 1.5
    """How much more the worst bait attracts choice than it deserves."""
    bait_centre: float = 200.0
    """Where bait lies, degrees. At 200 it moves users who are left alone, to 270 degrees; nothing here is held against
    them."""
    betas: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 50.0, 200.0, 1000.0)
    """Strengths of optimisation of exact policies: the reward over the price of a nat of divergence from logging."""
    steps: int = 200_000
    """Environment steps (slates) of each training."""
    ppo: PPOSettings = PPOSettings(num_steps=40, learning_rate=3e-3, ent_coef=0.03)
    """Of the learner."""
    hidden_size: int = 64
    """Of the two layers of the networks."""
    eval_episodes: int = 2000
    """Episodes that each seed is evaluated on."""
    num_chunks: int = 25
    """How often progress and metrics are written: the points of the curves."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("seeds", "steps", "hidden_size", "num_chunks"):
            checks.positive(name, getattr(self, name))
        checks.positive("eval_episodes", self.eval_episodes, checks.MOST_STEPS)
        checks.seed("seed", self.seed)
        checks.lookup(random.GENERATORS, self.generator, "generator")
        checks.lookup(FITTED, self.constants, "constants")
        for name, most in (("noise", 1.0), ("told", 0.9), ("bait_centre", 360.0)):
            checks.within(name, getattr(self, name), 0.0, most)
        for name in ("cost", "bait_height", "betas"):
            checks.within(name, getattr(self, name), 0.0, checks.LARGEST)
        checks.distinct("betas", self.betas)
        checks.within("shares", self.shares, 0.0, 1.0)
        if len(self.shares) != len(KINDS) or abs(sum(self.shares) - 1) > 1e-4:
            raise checks.InputError(f"shares must be one a kind of user and sum to 1, got {self.shares}")
        with checks.prefixed("ppo"):
            self.ppo.check()
        check_training("steps", self.steps, self.steps, self.ppo.num_envs, self.ppo.num_steps)
        with checks.prefixed("meanwhile"):
            env = self.env(asks=True)
        self.agent(env).check()

    def env(self, asks: bool) -> UncertainReward:
        """Users of all kinds, with or without questions."""
        inside = self.society(reward="penalised", counts="click")
        return UncertainReward(inside, FEATURES, tuple(KINDS.values()), asks, self.meanwhile, "posterior")

    def params(self, env: UncertainReward) -> UncertainParams:
        """The run-time values of the users as they are."""
        shares = np.asarray(self.shares, np.float32)
        return env.default_params.replace(env=self.world(), prior=shares, cost=self.cost, noise=self.noise)

    def society(self, **settings: Any) -> PreferenceShift:
        """The users, with the slates that belong to the constants."""
        return PreferenceShift(slate_means=fitted_slates(self.constants), **settings)

    def world(self) -> PreferenceParams:
        """The run-time values of the society, with bait."""
        return fitted_params(self.constants).replace(bait_height=self.bait_height, bait_centre=self.bait_centre)

    def agent(self, env: UncertainReward) -> PPO:
        """The learner, which records what values are made of."""
        network = MLP(hidden=(self.hidden_size, self.hidden_size))
        logged = (*FEATURES, "value_untold", "question")
        return self.ppo.agent(env, network, self.steps, reward_scale=0.1, log_metrics=logged)

    @property
    def mean(self) -> np.ndarray:
        """float[features]: what a unit of each feature is worth to the mean user."""
        return np.asarray(self.shares) @ np.asarray(list(KINDS.values()))

    def paid(self, recommender: str) -> np.ndarray:
        """float[kinds, features]: the values that a recommender is paid by in training."""
        if recommender == ASKER:
            return np.asarray(list(KINDS.values()))
        each = {"clicks": np.eye(len(FEATURES))[0], "dwelling": np.eye(len(FEATURES))[1], "mean": self.mean}
        return np.tile(each[recommender], (len(KINDS), 1))

"""The settings of the audits: which agents in which societies, and how long they learn."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from jaxrec import checks
from jaxrec.agents import LSTM, MLP, PPO, NodeMLP, PPOSettings, QLearning, QLearningSettings, Ranking
from jaxrec.agents.q_learning import MOST_VISITS
from jaxrec.environment import Environment
from jaxrec.envs.learned import Deployed, LearnedUsers
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.envs.preference import PreferenceShift
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.experiments.preference.models import ModelConfig, UserModelSettings
from jaxrec.experiments.runs.limits import check_training
from jaxrec.wrappers import SafeShifts

MAX_HIDDEN = 4096  # of a layer; a larger one would be built before anything refuses it
REWARD_SCALE = 0.1  # of PPO: returns are near 1

Society = Literal["PolarisingUsers", "PreferenceShift", "RewiringGame", "LearnedUsers"]


@dataclass(frozen=True)
class Case:
    """One agent in one society.

    Attributes:
        society: "LearnedUsers" stands for agents that learn there and are judged among the users themselves.
        learner: "bandit" learns nothing.
        myopic: whether its discount is 0.
        safe: whether it is paid for clicks and for what users would have given under safe shifts too.
    """

    society: Society
    learner: Literal["q-learning", "mlp", "lstm", "ranking", "bandit"]
    myopic: bool = False
    safe: bool = False

    @property
    def agent(self) -> str:
        """How the report calls the agent."""
        return self.learner + ", myopic" * self.myopic + ", paid under safe shifts" * self.safe

    @property
    def looks_ahead(self) -> bool:
        """Whether it is paid for engagement alone, and learns to look ahead: whether the paper speaks of it."""
        return not self.myopic and not self.safe and self.learner != "bandit"


CASES: dict[str, Case] = {
    "polarising-table": Case("PolarisingUsers", "q-learning"),
    "polarising-table-myopic": Case("PolarisingUsers", "q-learning", myopic=True),
    "polarising-table-safe": Case("PolarisingUsers", "q-learning", safe=True),
    "polarising-bandit": Case("PolarisingUsers", "bandit"),
    "polarising-mlp": Case("PolarisingUsers", "mlp"),
    "polarising-lstm": Case("PolarisingUsers", "lstm"),
    "preference-mlp": Case("PreferenceShift", "mlp"),
    "preference-lstm": Case("PreferenceShift", "lstm"),
    "preference-lstm-myopic": Case("PreferenceShift", "lstm", myopic=True),
    "preference-lstm-safe": Case("PreferenceShift", "lstm", safe=True),
    "rewiring-ranking": Case("RewiringGame", "ranking"),
    "rewiring-ranking-myopic": Case("RewiringGame", "ranking", myopic=True),
    "learned-lstm": Case("LearnedUsers", "lstm"),
}


@dataclass(frozen=True)
class AuditsConfig:
    """Settings of the audits."""

    cases: tuple[str, ...] = tuple(CASES)
    """Which agents in which societies."""
    seeds: int = 3
    """Independent trainings in each world; intervals need at least 3."""
    seed: int = 0
    """Seed of all random draws."""
    horizon: int = 30
    """Recommendations in an episode of polarising users."""
    num_users: int = 10
    """Of the rewiring game, each with four ties."""
    table_timesteps: int = 30_000_000
    """Environment steps of each training of a table."""
    ppo_timesteps: int = 200_000
    """Environment steps of each training of a network."""
    split: bool = False
    """Train a third learner, paid for initial preferences, which splits the incentive of those paid for engagement."""
    evaluation_episodes: int = 500
    """Episodes of each policy."""
    max_steps: int = 300
    """Where episodes have no fixed length: steps after which one is cut off."""
    diagram_steps: int = 3
    """Recommendations in the causal diagrams."""
    num_chunks: int = 10
    """How often progress and metrics of a training are written."""
    hidden_size: int = 32
    """Of the layers of networks."""
    q_learning: QLearningSettings = QLearningSettings()
    """Of tables."""
    ppo: PPOSettings = PPOSettings(num_steps=30, learning_rate=3e-3)
    """Of networks."""
    log_users: int = 2_000
    """Users in the logs from which a model of them is learned."""
    training_users: int = 1_500
    """So many of them to learn from; the others to validate."""
    model: UserModelSettings = UserModelSettings(num_epochs=6)
    """How the model is learned."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("seeds", "table_timesteps", "ppo_timesteps", "num_chunks"):
            checks.positive(name, getattr(self, name))
        for name in ("evaluation_episodes", "max_steps", "horizon"):
            checks.positive(name, getattr(self, name), checks.MOST_STEPS)
        checks.positive("hidden_size", self.hidden_size, MAX_HIDDEN)
        checks.positive("diagram_steps", self.diagram_steps, 100)
        checks.seed("seed", self.seed)
        for name in ("q_learning", "ppo"):
            with checks.prefixed(name):
                getattr(self, name).check()
        table, network = self.q_learning, self.ppo
        steps = self.table_timesteps
        check_training("table_timesteps", steps, steps, table.num_envs, table.num_steps, MOST_VISITS)
        check_training("ppo_timesteps", self.ppo_timesteps, self.ppo_timesteps, network.num_envs, network.num_steps)
        with checks.prefixed("log_users, training_users, model"):
            self.user_model.check()
        self._check_cases()

    def _check_cases(self) -> None:
        if not self.cases or len(set(self.cases)) < len(self.cases):
            raise checks.InputError(f"cases must be one name or more, each once, got {self.cases}")
        for name in self.cases:
            case = checks.lookup(CASES, name, "one of cases")
            with checks.prefixed("horizon, num_users"):
                learner = self.learner(case)
            if learner is not None:
                learner.check()

    @property
    def user_model(self) -> ModelConfig:
        """The settings of the model of users: one, for all seeds."""
        return ModelConfig(
            seed=self.seed, seeds=1, users=self.log_users, training_users=self.training_users, model=self.model
        )

    def society(self, case: Case) -> Environment:
        """Where the agent is judged."""
        if case.society == "PolarisingUsers":
            return PolarisingUsers(horizon=self.horizon)
        if case.society == "PreferenceShift":
            return PreferenceShift()
        if case.society == "RewiringGame":
            return RewiringGame(self.num_users, 4, "learning")
        return Deployed()

    def world(self, case: Case) -> Environment:
        """Where the agent learns."""
        env = LearnedUsers() if case.society == "LearnedUsers" else self.society(case)
        if not case.safe:
            return env
        safe: Any = dataclasses.replace(env, reward="penalised")  # type: ignore[type-var]
        values_them_itself = isinstance(env, LearnedUsers | PreferenceShift)
        return safe if values_them_itself else SafeShifts(safe)

    def learner(self, case: Case) -> QLearning | PPO | None:
        """The learner; None for the bandit."""
        env, size = self.world(case), self.hidden_size
        if case.learner == "bandit":
            return None
        if case.learner == "q-learning":
            agent = self.q_learning.agent(env, self.table_timesteps)
            return agent.replace(gamma=0.0) if case.myopic else agent
        networks: dict[str, Any] = {
            "mlp": MLP(hidden=(size, size)),
            "lstm": LSTM(width=size),
            "ranking": Ranking(NodeMLP((size, size)), size),
        }
        gamma = 0.0 if case.myopic else self.ppo.gamma
        network = networks[case.learner]
        return self.ppo.agent(env, network, self.ppo_timesteps, gamma=gamma, reward_scale=REWARD_SCALE)

"""The settings of a learner in any society: which agent, which network, how long, and from which seeds."""

from dataclasses import dataclass
from typing import Any, Literal

from jaxrec import checks, random
from jaxrec.agents import LSTM, MLP, PPO, NodeMLP, PPOSettings, QLearning, QLearningSettings, Ranking
from jaxrec.agents.q_learning import MOST_VISITS
from jaxrec.environment import Environment
from jaxrec.experiments.runs.limits import check_training

MAX_HIDDEN = 4096  # of a layer; a larger one would be built before anything refuses it
MAX_LAYERS = 64
OTHERS = {"q-learning": ("network", "hidden_size", "num_layers", "ppo"), "ppo": ("q_learning",)}
"""The settings that an agent does not read."""


@dataclass(frozen=True)
class LearnerSettings:
    """Settings of a learner but for the society."""

    agent: Literal["q-learning", "ppo"] = "q-learning"
    """The learner: tabular Q-learning, where observations can be indexed; or PPO, for any society."""
    network: Literal["mlp", "lstm", "ranking"] = "mlp"
    """Of PPO: feed-forward, with memory, or for a society of many users."""
    hidden_size: int = 64
    """Of the network's layers."""
    num_layers: int = 2
    """Hidden layers of the network; `lstm` has one, and its memory."""
    timesteps: int = 30_000_000
    """Environment steps of each training."""
    seeds: int = 5
    """Independent trainings, in each world if there are several; intervals need at least 3."""
    seed: int = 0
    """Seed of all random draws."""
    generator: str = "threefry"
    """Of random numbers: threefry, JAX's own; or hash, which compiles sooner and fuses on a GPU (`jaxrec.random`)."""
    evaluation_episodes: int = 1000
    """Episodes of each policy."""
    max_steps: int = 1000
    """Where episodes have no fixed length: steps after which one is cut off."""
    num_chunks: int = 20
    """How often progress and metrics are written."""
    q_learning: QLearningSettings = QLearningSettings()
    """Of Q-learning."""
    ppo: PPOSettings = PPOSettings()
    """Of PPO."""

    def check_learner(self, env: Environment) -> None:
        """Raises InputError for a setting out of range, or an environment in which the learner cannot learn."""
        for name in ("timesteps", "seeds", "num_chunks"):
            checks.positive(name, getattr(self, name))
        for name in ("evaluation_episodes", "max_steps"):
            checks.positive(name, getattr(self, name), checks.MOST_STEPS)
        checks.positive("hidden_size", self.hidden_size, MAX_HIDDEN)
        checks.positive("num_layers", self.num_layers, MAX_LAYERS)
        checks.seed("seed", self.seed)
        checks.lookup(random.GENERATORS, self.generator, "generator")
        for name in ("q_learning", "ppo"):
            with checks.prefixed(name):
                getattr(self, name).check()
        checks.unread(self, OTHERS[self.agent], f"agent {self.agent!r}")
        if self.network == "lstm":
            checks.unread(self, ("num_layers",), "network 'lstm'")
        learner = self.q_learning if self.agent == "q-learning" else self.ppo
        most = MOST_VISITS if self.agent == "q-learning" else None
        check_training("timesteps", self.timesteps, self.timesteps, learner.num_envs, learner.num_steps, most)
        self.learner(env).check()

    def learner(self, env: Environment) -> QLearning | PPO:
        """The learner, for an environment."""
        if self.agent == "q-learning":
            with checks.prefixed("agent"):
                return self.q_learning.agent(env, self.timesteps)
        size, hidden = self.hidden_size, (self.hidden_size,) * self.num_layers
        networks: dict[str, Any] = {
            "mlp": MLP(hidden=hidden), "lstm": LSTM(width=size), "ranking": Ranking(NodeMLP(hidden), size)
        }  # fmt: skip
        with checks.prefixed("network, ppo"):
            return self.ppo.agent(env, checks.lookup(networks, self.network, "network"), self.timesteps)

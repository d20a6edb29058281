"""The settings of an audit: which society, which learner, and how long."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jaxrec import checks, random
from jaxrec.agents import LSTM, MLP, PPO, NodeMLP, PPOSettings, QLearning, QLearningSettings, Ranking
from jaxrec.agents.q_learning import MOST_VISITS
from jaxrec.audit.worlds import is_split
from jaxrec.environment import Environment
from jaxrec.experiments.runs.limits import check_training
from jaxrec.experiments.runs.worlds import world

MAX_HIDDEN = 4096  # of a layer; a larger one would be built before anything refuses it


@dataclass(frozen=True)
class LearnerSettings:
    """Settings of an audit but for the society."""

    agent: Literal["q-learning", "ppo"] = "q-learning"
    """The learner: tabular Q-learning, where observations can be indexed; or PPO, for any society."""
    network: Literal["mlp", "lstm", "ranking"] = "mlp"
    """Of PPO: feed-forward, with memory, or for a society of many users."""
    hidden_size: int = 64
    """Of the network's layers."""
    timesteps: int = 30_000_000
    """Environment steps of each training."""
    seeds: int = 5
    """Independent trainings in each world; intervals need at least 3."""
    seed: int = 0
    """Seed of all random draws."""
    generator: str = "threefry"
    """Of random numbers: threefry, JAX's own; or hash, which compiles sooner and fuses on a GPU (`jaxrec.random`)."""
    split: bool = True
    """Train a third learner, paid for initial preferences, which splits the incentive; of reward "engagement" alone."""
    evaluation_episodes: int = 1000
    """Episodes of each policy."""
    max_steps: int = 1000
    """Where episodes have no fixed length: steps after which one is cut off."""
    diagram_steps: int = 3
    """Recommendations in the causal diagram."""
    num_chunks: int = 20
    """How often progress and metrics are written."""
    q_learning: QLearningSettings = QLearningSettings()
    """Of Q-learning."""
    ppo: PPOSettings = PPOSettings()
    """Of PPO."""


@dataclass(frozen=True)
class AuditConfig(LearnerSettings):
    """Settings of an audit."""

    env: str = "PolarisingUsers-v0"
    """Environment id; see `jaxrec list`."""
    args: tuple[str, ...] = ()
    """Constructor arguments, such as horizon=10."""
    params: tuple[str, ...] = ()
    """Run-time values of the world with influence, such as influence=0.5."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("timesteps", "seeds", "num_chunks"):
            checks.positive(name, getattr(self, name))
        for name in ("evaluation_episodes", "max_steps"):
            checks.positive(name, getattr(self, name), checks.MOST_STEPS)
        checks.positive("hidden_size", self.hidden_size, MAX_HIDDEN)
        checks.positive("diagram_steps", self.diagram_steps, 100)
        checks.seed("seed", self.seed)
        checks.lookup(random.GENERATORS, self.generator, "generator")
        for name in ("q_learning", "ppo"):
            with checks.prefixed(name):
                getattr(self, name).check()
        learner = self.q_learning if self.agent == "q-learning" else self.ppo
        most = MOST_VISITS if self.agent == "q-learning" else None
        check_training("timesteps", self.timesteps, self.timesteps, learner.num_envs, learner.num_steps, most)
        env, _ = self.world()
        if not env.preferences:
            raise checks.InputError(f"env must name its preferences, {self.env} does not")
        self.learner(env).check()

    def world(self) -> tuple[Environment, Any]:
        """(environment, parameters of the world with influence)."""
        with checks.prefixed("env, args, params"):
            return world(self.env, named("args", self.args), named("params", self.params))

    def learner(self, env: Environment) -> QLearning | PPO:
        """The learner, for an environment."""
        if self.agent == "q-learning":
            with checks.prefixed("agent"):
                return self.q_learning.agent(env, self.timesteps)
        size = self.hidden_size
        with checks.prefixed("network, ppo"):
            if self.network == "ranking":
                network: Any = Ranking(NodeMLP((size, size)), size)
            else:
                network = MLP(env.num_actions, (size, size)) if self.network == "mlp" else LSTM(env.num_actions, size)
            return self.ppo.agent(env, network, self.timesteps)

    @property
    def splits(self) -> bool:
        """Whether a third learner is trained."""
        return self.split and is_split(self.world()[0])

    @property
    def num_worlds(self) -> int:
        """Worlds in which the learner is trained."""
        return 3 if self.splits else 2


def named(setting: str, pairs: Sequence[str]) -> dict[str, str]:
    """Reads texts such as "horizon=10".

    Raises:
        InputError: for one without a name or a value, or a name that stands twice.
    """
    split = [pair.partition("=") for pair in pairs]
    for pair, (name, _, value) in zip(pairs, split, strict=True):
        if not name or not value:
            raise checks.InputError(f"{setting} must be of the form name=value, got {pair!r}")
    found = {name: value for name, _, value in split}
    if len(found) < len(pairs):
        raise checks.InputError(f"{setting} must name each value once, got {', '.join(pairs)}")
    return found

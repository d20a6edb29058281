"""The settings of learning to rewire."""

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any, Literal

from jaxrec import checks, random
from jaxrec.agents import GAT, PPO, LeastSquares, NodeMLP, Ranking
from jaxrec.envs.rewiring import RewiringGame, moments
from jaxrec.envs.rewiring.observation import OBSERVE_AS
from jaxrec.experiments.runs.limits import check_training

DEGREES = {10: 4, 30: 8, 100: 28, 500: 30}
"""Mean degree at each size of the paper's Table 4; its beta and time limit are the environment's defaults."""

REWARDS = ("aligned", "engagement")
NETWORKS = ("mlp", "gat")
LOGGED = ("action_strategy", "action_degree")
MAX_LAYERS = 64  # each is built one by one before anything else can be refused


@dataclass(frozen=True)
class LearningConfig:
    """Settings of learning to rewire."""

    seed: int = 0
    """Seed of all runs."""
    generator: str = "threefry"
    """Of random numbers: threefry, JAX's own; or hash, which compiles sooner and fuses on a GPU (`jaxrec.random`)."""
    seeds: int = 10
    """Independent trainings of each recommender, all in one vmap."""
    users: tuple[int, ...] = (10,)
    """Sizes of the societies trained in: any of 10, 30, 100, 500."""
    networks: tuple[str, ...] = ("mlp", "gat")
    """How users are embedded before they are ranked: by their own features (mlp), or by graph attention (gat)."""
    rewards: tuple[str, ...] = REWARDS
    """What recommenders are paid for, each its own training: for cooperation (aligned), for requests (engagement)."""
    steps: tuple[int, ...] = (500_000,)
    """Environment steps (recommendations) of each training, one number a size."""
    gat_layers: int = 2
    """Layers of graph attention."""
    observe_as: Literal["dense", "graphs_tuple"] = "dense"
    """The form of the graph that recommenders learn from: a matrix of ties, or jraph's `GraphsTuple`."""
    gat_share: float = 0.5
    """Graph attention takes so much of `steps`: one costs it three times as much, and it needs fewer."""
    num_envs: int = 128
    """Societies in parallel in each training."""
    num_steps: tuple[int, ...] = (64,)
    """Recommendations of each society in a batch: one number, or one a size."""
    num_epochs: int = 2
    """Passes over each batch."""
    num_minibatches: int = 8
    """Updates in each pass."""
    learning_rates: tuple[float, ...] = (1e-2,)
    """Of Adam, falling to 0 over the training: one number, or one a size."""
    gamma: float = 1.0
    """Discount; the rewards of a whole episode count."""
    gae_lambdas: tuple[float, float] = (0.8, 0.8)
    """Lambda of the advantage estimates: learning for cooperation, for engagement."""
    ent_coefs: tuple[float, float] = (0.003, 0.01)
    """Weight of the entropy bonus, falling to 0 over the training: learning for cooperation, for engagement."""
    fitted_values: bool = False
    """Values by least squares on moments of the society (`LeastSquares`), not by a network."""
    warm_start: bool = False
    """Each size starts from the weights learned at the size before it."""
    evaluation_users: tuple[int, ...] = (10, 30)
    """Sizes at which everything learned is evaluated: the table of transfer."""
    evaluation_episodes: tuple[int, ...] = (1024, 64)
    """Episodes that each seed is evaluated on, one number a size."""
    num_chunks: int = 40
    """How often progress and metrics are written."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("seeds", "num_envs", "num_epochs", "num_minibatches", "num_chunks"):
            checks.positive(name, getattr(self, name))
        checks.seed("seed", self.seed)
        checks.lookup(random.GENERATORS, self.generator, "generator")
        for name in ("users", "networks", "rewards", "evaluation_users"):
            checks.distinct(name, getattr(self, name))
        self._check_sizes()
        checks.within("gat_layers", self.gat_layers, 1, MAX_LAYERS)
        checks.within("gat_share", self.gat_share, 0.0, 1.0)
        checks.lookup(dict.fromkeys(OBSERVE_AS), self.observe_as, "observe_as")
        for name in self.networks:
            checks.lookup(dict.fromkeys(NETWORKS), name, "network")
        for name in self.rewards:
            checks.lookup(dict.fromkeys(REWARDS), name, "reward")
        for name in ("gae_lambdas", "ent_coefs"):
            if len(getattr(self, name)) != len(REWARDS):
                raise checks.InputError(f"{name} must have one number a reward {REWARDS}, got {getattr(self, name)}")
        checks.within("gae_lambdas", self.gae_lambdas, 0.0, 1.0)
        checks.within("ent_coefs", self.ent_coefs, -checks.LARGEST, checks.LARGEST)
        checks.within("learning_rates", self.learning_rates, 0.0, checks.LARGEST)
        for users, network, reward in itertools.product(self.users, self.networks, self.rewards):
            given, num_steps = (self.of_size(users, numbers) for numbers in (self.steps, self.num_steps))
            check_training("steps", given, self._taken(users, network), self.num_envs, num_steps)
            self.agent(users, network, reward).check()

    def _check_sizes(self) -> None:
        for numbers, sizes in (("steps", "users"), ("evaluation_episodes", "evaluation_users")):
            if len(getattr(self, numbers)) != len(getattr(self, sizes)):
                raise checks.InputError(
                    f"{numbers} must have one number a size, got {getattr(self, numbers)} for {getattr(self, sizes)}"
                )
            for number in getattr(self, numbers):
                checks.positive(numbers, number)
            for size in getattr(self, sizes):
                checks.lookup({str(users): None for users in DEGREES}, str(size), sizes)
        for name in ("learning_rates", "num_steps"):
            if len(getattr(self, name)) not in (1, len(self.users)):
                raise checks.InputError(
                    f"{name} must have one number, or one a size, got {getattr(self, name)} for {self.users}"
                )
        for number in self.num_steps:
            checks.positive("num_steps", number)
        checks.positive("evaluation_episodes * seeds", max(self.evaluation_episodes) * self.seeds, checks.MOST_STEPS)

    def of_size(self, users: int, numbers: tuple[Any, ...]) -> Any:
        """The one of `numbers` for this size, if it is not one for all."""
        return numbers[self.users.index(users) % len(numbers)]

    def _taken(self, users: int, network: str) -> int:
        """Environment steps that a training takes; graph attention takes its share."""
        return max(1, round(self.of_size(users, self.steps) * (self.gat_share if network == "gat" else 1.0)))

    def env(self, users: int, reward: str) -> RewiringGame:
        """The society of one size."""
        return RewiringGame(users, DEGREES[users], "learning", reward=reward)

    def agent(self, users: int, network: str, reward: str) -> PPO:
        """Builds the learner.

        Args:
            users: the size of the society.
            network: "mlp" or "gat".
            reward: "aligned" or "engagement".

        Returns:
            The agent.
        """
        scale = 1.0 if reward == "aligned" else 1.0 / users  # so that returns are of the order of 1
        embed = GAT(self.gat_layers) if network == "gat" else NodeMLP()
        return PPO(
            dataclasses.replace(self.env(users, reward), observe_as=self.observe_as),
            Ranking(embed, value_embed=None) if self.fitted_values else Ranking(embed),
            self._taken(users, network),
            num_envs=self.num_envs,
            num_steps=self.of_size(users, self.num_steps),
            num_epochs=self.num_epochs,
            num_minibatches=self.num_minibatches,
            learning_rate=self.of_size(users, self.learning_rates),
            gamma=self.gamma,
            gae_lambda=self.gae_lambdas[REWARDS.index(reward)],
            ent_coef=self.ent_coefs[REWARDS.index(reward)],
            reward_scale=scale,
            critic=LeastSquares(moments) if self.fitted_values else None,
            log_metrics=LOGGED,
        )

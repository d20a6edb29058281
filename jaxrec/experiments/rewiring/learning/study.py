"""Recommenders that learn to rewire: for engagement or for cooperation, ranking users one by one or by their graph.

Carvalho, "Modelling the Recommender Alignment Problem", section 4 (Figures 9 to 13).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec import checks
from jaxrec.agents import GAT, PPO, LeastSquares, NetworkPolicy, NodeMLP, Ranking
from jaxrec.envs.rewiring import ELEVEN, RewiringGame, heuristic, moments
from jaxrec.envs.rewiring.heuristics import stack_kinds
from jaxrec.envs.rewiring.policies import HeuristicPolicy
from jaxrec.experiments.reports.report import Report
from jaxrec.experiments.rewiring.learning.interpretation import interpret
from jaxrec.experiments.rewiring.learning.play import play
from jaxrec.experiments.rewiring.learning.report import JUDGED, Learned, Rivals, Run, write
from jaxrec.experiments.runs.limits import check_training
from jaxrec.experiments.study import Log, Study
from jaxrec.parameters import batched
from jaxrec.runtime.progress import Meter
from jaxrec.statistics import nanmean
from jaxrec.training import fit

DEGREES = {10: 4, 30: 8, 100: 28, 500: 30}
"""Mean degree at each size of the paper's Table 4; its beta and time limit are the environment's defaults."""

REWARDS = ("aligned", "engagement")
NETWORKS = ("mlp", "gat")
TRACKED = ("action_strategy", "action_degree")
MOST_LAYERS = 64  # each is built one by one before anything else can be refused
LOOKED_AT = 30  # users: the size up to which policies are interpreted; betweenness takes long in larger graphs
TRIED = 4096  # episodes of each heuristic; the best is played as often as all seeds of a recommender together


@dataclass(frozen=True)
class LearningConfig:
    """Settings of learning to rewire."""

    seed: int = 0
    """Seed of all runs."""
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
    gat_share: float = 0.5
    """Graph attention learns from so much of them: a step costs it three times as much, and it needs fewer."""
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
        for name in ("users", "networks", "rewards", "evaluation_users"):
            checks.distinct(name, getattr(self, name))
        self._check_sizes()
        checks.within("gat_layers", self.gat_layers, 1, MOST_LAYERS)
        checks.within("gat_share", self.gat_share, 0.0, 1.0)
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
        """The one of `numbers` for this size, where there may be one for all."""
        return numbers[self.users.index(users) % len(numbers)]

    def _taken(self, users: int, network: str) -> int:
        """Environment steps that a training takes; graph attention takes its share."""
        return max(1, round(self.of_size(users, self.steps) * (self.gat_share if network == "gat" else 1.0)))

    def env(self, users: int, reward: str) -> RewiringGame:
        """The society of one size."""
        return RewiringGame(users, DEGREES[users], "learning", reward=reward)

    def agent(self, users: int, network: str, reward: str) -> PPO:
        """The learner."""
        scale = 1.0 if reward == "aligned" else 1.0 / users  # so that returns are of the order of 1
        embed = GAT(self.gat_layers) if network == "gat" else NodeMLP()
        return PPO(
            self.env(users, reward),
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
            log_metrics=TRACKED,
        )


def execute(config: LearningConfig, log: Log, meter: Meter) -> Report:
    """Trains every recommender, plays it at every size against the heuristics, and looks at what it looks for."""
    key_train, key_play, key_look = jax.random.split(jax.random.key(config.seed), 3)
    learned: list[Learned] = []
    for users in config.users:
        before = {(one.run.reward, one.run.network): one for one in learned} if config.warm_start else {}
        for reward in config.rewards:
            for network in config.networks:
                key_train, key = jax.random.split(key_train)
                smaller = before.get((reward, network))
                learned.append(train(config, Run(users, reward, network), key, log, meter, smaller))
    heuristics: dict[int, Rivals] = {}
    for users, episodes in zip(config.evaluation_users, config.evaluation_episodes, strict=True):
        env = config.env(users, "engagement")
        key_play, *keys = jax.random.split(key_play, 2 + len(learned))
        heuristics[users] = rivals(env, keys[0], config.seeds * episodes, meter)
        for one, key in zip(learned, keys[1:], strict=True):
            one.played[users] = play(env, one.policies, key, episodes, meter)
        log(part="played", users=users, cooperation={str(one.run): one.means(users, "cooperation") for one in learned})
    looks = {}
    for one in learned:
        if one.run.users <= LOOKED_AT:
            env = config.env(one.run.users, "engagement")
            looks[str(one.run)] = interpret(env, one.policies, key_look)
    return write(config, learned, heuristics, looks)


def train(
    config: LearningConfig, run: Run, key: Array, log: Log, meter: Meter, smaller: Learned | None = None
) -> Learned:
    """All seeds of one recommender, from the weights of one learned in a smaller society if given."""
    agent = config.agent(run.users, run.network, run.reward)
    rows: list[dict[str, np.ndarray]] = []
    steps: list[int] = []

    def on_metrics(updates: int, metrics: dict[str, np.ndarray]) -> None:
        rows.append(metrics)
        steps.append(updates * agent.num_envs * agent.num_steps)
        means = {name: float(nanmean(values)) for name, values in rows[-1].items()}
        log(part="training", run=str(run), steps=steps[-1], **means)

    keys = jax.random.split(key, config.seeds)
    params = batched(agent.env.default_params, config.seeds)
    start = None if smaller is None else jax.jit(jax.vmap(agent.init))(keys, params, smaller.policies.network_params)
    task = f"training {config.seeds} seeds of {run}"
    state = fit(agent, keys, params, config.num_chunks, meter, on_metrics, task, log.checkpoints(task), state=start)
    policies = NetworkPolicy(state.network_params, agent.network)
    curves = {name: np.stack([row[name] for row in rows]) for name in ("episode_return", "entropy", *TRACKED)}
    return Learned(run, policies, np.array(steps), curves, {})


def rivals(env: RewiringGame, key: Array, episodes: int, meter: Meter) -> Rivals:
    """All heuristics, and the best of them, of equals the first, in `episodes` episodes of its own."""
    key_all, key_best = jax.random.split(key)
    played = play(env, stacked(ELEVEN), key_all, min(episodes, TRIED), meter)
    best = {metric: ELEVEN[int(played[metric].mean(axis=1).argmax())] for metric in JUDGED.values()}
    again = play(env, stacked(tuple(best.values())), key_best, episodes, meter)
    return Rivals(played, {metric: (name, again[metric][i]) for i, (metric, name) in enumerate(best.items())})


def stacked(names: Sequence[str]) -> HeuristicPolicy:
    """Heuristics as one policy, with a leading axis."""
    return HeuristicPolicy(jax.tree.map(jnp.asarray, stack_kinds([heuristic(name) for name in names])))


QUICK = LearningConfig(seeds=4)
TEN = LearningConfig(steps=(3_000_000,), evaluation_users=(10, 30, 100), evaluation_episodes=(2048, 128, 4))
THIRTY = LearningConfig(
    seeds=5,
    users=(30,),
    networks=("mlp",),
    steps=(32_000_000,),
    num_envs=512,
    num_steps=(512,),
    num_minibatches=16,
    learning_rates=(2e-2,),
    ent_coefs=(0.0, 0.0),
    fitted_values=True,
    evaluation_episodes=(1024, 4096),
)
"""A batch holds whole episodes, about one of each society: its returns are what values are fitted to."""
HUNDRED = LearningConfig(
    seeds=4,
    users=(30, 100),
    networks=("mlp",),
    steps=(32_000_000, 3_000_000),
    num_envs=128,
    num_steps=(2048, 4096),
    num_minibatches=16,
    learning_rates=(2e-2, 5e-3),
    ent_coefs=(0.0, 0.0),
    fitted_values=True,
    warm_start=True,
    evaluation_users=(10, 30, 100, 500),
    evaluation_episodes=(1024, 1024, 64, 4),
)
"""For one core and some hours: among 100 users learning goes on from what was learned among 30."""
PAPER = LearningConfig(
    users=(10, 30, 100),
    steps=(4_000_000, 4_000_000, 8_000_000),
    evaluation_users=(10, 30, 100, 500),
    evaluation_episodes=(2048, 256, 64, 16),
)
GPU = LearningConfig(
    seeds=4,
    users=(30, 100, 500),
    networks=("gat",),
    steps=(32_000_000, 12_000_000, 1_500_000),
    gat_layers=1,
    gat_share=1.0,
    num_envs=128,
    num_steps=(2048, 4096, 256),
    num_minibatches=64,
    learning_rates=(1e-2, 5e-3, 3e-3),
    ent_coefs=(0.0, 0.0),
    fitted_values=True,
    warm_start=True,
    evaluation_users=(10, 30, 100, 500),
    evaluation_episodes=(1024, 1024, 1024, 32),
)
"""For a GPU of 80 GB: a batch of all seeds holds 128 x 4096 x 4 graphs of 10 kB at N = 100, and 128 x 256 x 4 of 250 kB
at N = 500: 21 and 33 GB. What attention keeps of one minibatch for its gradient adds some tens. At N = 500 no episode
ends in so few steps: what is learned comes from the rewards on the way, and there are no returns to draw. It begins
among 30 because what an MLP learned there earned more requests than any heuristic among 100 (`HUNDRED`), where graph
attention that began there was not done after 16 million steps.
"""

STUDY = Study(
    "rewiring-learning",
    "Recommenders learn to rewire: engagement against cooperation (Carvalho, section 4)",
    {"quick": QUICK, "ten": TEN, "thirty": THIRTY, "hundred": HUNDRED, "paper": PAPER, "gpu": GPU},
    execute,
)

"""The settings of recommenders that learn while they compete for users."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec import checks
from jaxrec.agents import GAT, PPO, IndependentPPO, LeastSquares, NodeMLP, Ranking
from jaxrec.envs.rewiring import MarketParams, RewiringMarket, market_moments
from jaxrec.experiments.runs.limits import check_training
from jaxrec.utilities import Utilities

DEGREES = {10: 4, 30: 8, 100: 28, 500: 30, 1000: 30}
"""Mean degree at each size: the paper's, Table 4 and section 5.1."""
RIVALS = ("local", "good", "bad", "random", "fair")
"""The heuristics of section 5.2. All markets have them, so that one program serves all; some with a share of 0."""
REWARDS = ("aligned", "engagement")
BOTH = "engagement and aligned"
MARKETS = ("monopoly", "local", "mixed", "duel", "rivals")
"""Who serves the users who are not the learner's: nobody; the local heuristic; five heuristics in equal parts; another
learner that is paid for the same; another that is paid for cooperation, where this one is paid for engagement."""
LEFT = 0.2
"""Share of users who begin with the local heuristic where two learners compete; the rest is theirs in equal parts."""
NETWORKS = ("mlp", "gat")


@dataclass(frozen=True)
class Run:
    """What was trained: at which size, in which market, paid for what, among walls or not."""

    users: int
    market: str
    reward: str
    exclusive: bool

    def __str__(self) -> str:
        walls = "exclusive" if self.exclusive else "open"
        return f"{self.reward}, {self.market}, {walls}, N = {self.users}"

    @property
    def learners(self) -> int:
        """1 or 2."""
        return 2 if self.market in ("duel", "rivals") else 1


@dataclass(frozen=True)
class MarketConfig:
    """Settings of recommenders that learn while they compete for users."""

    seed: int = 0
    """Seed of all runs."""
    seeds: int = 4
    """Independent trainings of each recommender, all in one vmap."""
    users: tuple[int, ...] = (30,)
    """Sizes of the societies trained in: any of 10, 30, 100, 500, 1000."""
    markets: tuple[str, ...] = MARKETS
    """Any of monopoly, local, mixed, duel, rivals: who serves the other users."""
    rewards: tuple[str, ...] = REWARDS
    """What recommenders are paid for: cooperation (aligned), requests of their own users (engagement)."""
    exclusive: tuple[bool, ...] = (False, True)
    """Whether recommenders recommend their own users alone."""
    network: str = "mlp"
    """How users are embedded before they are ranked: by their own features (mlp), or by graph attention (gat)."""
    initial_share: float = 0.3
    """Share of users who begin with a learner among heuristics."""
    timescale: float = 1.0
    """W, structural updates for each strategy update."""
    recommender_timescale: float = 0.2
    """W2, recommender updates for each other update."""
    steps: tuple[int, ...] = (60_000,)
    """Environment steps of each training, one number a size."""
    warm_start: bool = False
    """Each size starts from the weights learned at the size before it, in the same market for the same reward."""
    num_envs: int = 16
    """Societies in parallel in each training."""
    num_steps: int = 256
    """Steps of each society in a batch, which should hold whole episodes."""
    num_epochs: int = 2
    """Passes over each batch."""
    num_minibatches: int = 8
    """Updates in each pass."""
    learning_rate: float = 1e-2
    """Of Adam, falling to 0 over the training."""
    gae_lambda: float = 0.9
    """Lambda of the advantage estimates; the discount is 1."""
    ent_coef: float = 0.002
    """Weight of the entropy bonus, falling to 0 over the training."""
    evaluation_users: tuple[int, ...] = (30,)
    """Sizes at which everything learned is evaluated."""
    evaluation_episodes: tuple[int, ...] = (64,)
    """Episodes that each seed is evaluated on, one number a size."""
    bait_episodes: int = 64
    """Episodes, at the size of the training, in which each seed is asked whether it baits."""
    num_chunks: int = 15
    """How often progress and metrics are written."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("seeds", "num_envs", "num_steps", "num_epochs", "num_minibatches", "bait_episodes", "num_chunks"):
            checks.positive(name, getattr(self, name))
        checks.seed("seed", self.seed)
        for name in ("users", "markets", "rewards", "exclusive", "evaluation_users"):
            checks.distinct(name, getattr(self, name))
        self._check_sizes()
        for name, known in (("markets", MARKETS), ("rewards", REWARDS)):
            for value in getattr(self, name):
                checks.lookup(dict.fromkeys(known), value, name)
        checks.lookup(dict.fromkeys(NETWORKS), self.network, "network")
        checks.within("initial_share", self.initial_share, 0.0, 1.0)
        checks.within("timescale", self.timescale, 0.0, np.inf)
        checks.within("recommender_timescale", self.recommender_timescale, 0.0, np.inf)
        with checks.prefixed("initial_share"):
            for run in self.runs:
                for size in (*self.users, *self.evaluation_users):
                    self.env(replace(run, users=size)).check_params(self.params(replace(run, users=size)))
        for runs in self.groups():
            self.agent(runs[0]).check()

    def _check_sizes(self) -> None:
        """Checks what there is one number a size of."""
        for numbers, sizes in (("steps", "users"), ("evaluation_episodes", "evaluation_users")):
            given, of = getattr(self, numbers), getattr(self, sizes)
            if len(given) != len(of):
                raise checks.InputError(f"{numbers} must have one number a size, got {given} for {of}")
            for number in given:
                checks.positive(numbers, number)
            for size in of:
                checks.lookup({str(users): None for users in DEGREES}, str(size), sizes)
        for steps in self.steps:
            check_training("steps", steps, steps, self.num_envs, self.num_steps)
        most = max(self.bait_episodes, *self.evaluation_episodes)
        checks.positive("evaluation_episodes and bait_episodes * seeds", most * self.seeds, checks.MOST_STEPS)

    @property
    def runs(self) -> list[Run]:
        """Everything that is trained, in order. Walls change nothing where all users are one's own."""
        return [run for group in self.groups() for run in group]

    def groups(self) -> Iterator[list[Run]]:
        """Gives runs that are trained together, by one program."""
        for users in self.users:
            every = [
                Run(users, market, reward, exclusive)
                for exclusive in self.exclusive
                for market in self.markets
                for reward in ((BOTH,) if market == "rivals" else self.rewards)
                if market != "monopoly" or exclusive == self.exclusive[0]
            ]
            yield from filter(None, ([run for run in every if run.learners == count] for count in (1, 2)))

    def smaller(self, run: Run) -> Run | None:
        """The run with whose weights this one begins, at the size before; None for new weights."""
        place = self.users.index(run.users)
        return replace(run, users=self.users[place - 1]) if self.warm_start and place else None

    def env(self, run: Run) -> RewiringMarket:
        """The market; what is paid follows from `reward_weights`."""
        return RewiringMarket(run.users, DEGREES[run.users], reward="penalised", rivals=RIVALS, learners=run.learners)

    def params(self, run: Run) -> MarketParams:
        """The run-time values: who begins with whom, and what is paid."""
        rest, seed = len(RIVALS) - 1, self.initial_share
        shares = {
            "monopoly": (1.0, 0.0, *[0.0] * rest),
            "local": (seed, 1 - seed, *[0.0] * rest),
            "mixed": (seed, *[(1 - seed) / len(RIVALS)] * len(RIVALS)),
        }.get(run.market, ((1 - LEFT) / 2, (1 - LEFT) / 2, LEFT, *[0.0] * rest))
        per_user = 1 / run.users  # so that returns are of the order of 1
        weights = {
            "aligned": Utilities(recommender=0.0, user=0.0, society=1.0),
            "engagement": Utilities(recommender=per_user, user=0.0, society=0.0),
        }.get(run.reward, Utilities(recommender=per_user, user=1.0, society=1.0))
        return self.env(run).default_params.replace(
            shares=np.array(shares, np.float32),
            timescale=self.timescale,
            recommender_timescale=self.recommender_timescale,
            reward_weights=weights,
            exclusive=run.exclusive,
        )

    def agent(self, run: Run) -> PPO | IndependentPPO:
        """Builds the learner, or both."""
        env = self.env(run)
        if run.learners == 1:
            return self._ppo(env, run)
        seats = [replace(env.seated(learner), reward=reward) for learner, reward in enumerate((first, second))]
        return IndependentPPO(env, tuple(self._ppo(seat, run) for seat in seats))

    def _ppo(self, env: RewiringMarket, run: Run) -> PPO:
        """PPO in the view of one learner."""
        return PPO(
            env,
            Ranking(GAT(1) if self.network == "gat" else NodeMLP(), value_embed=None),
            self.steps[self.users.index(run.users)],
            num_envs=self.num_envs,
            num_steps=self.num_steps,
            num_epochs=self.num_epochs,
            num_minibatches=self.num_minibatches,
            learning_rate=self.learning_rate,
            gamma=1.0,
            gae_lambda=self.gae_lambda,
            ent_coef=self.ent_coef,
            critic=LeastSquares(market_moments),
        )


def first(utilities: Utilities, weights: Utilities) -> Array:
    """Pays the first of two learners: by the weights, but for requests alone where the weight of users is 1."""
    return jnp.asarray(
        weights.recommender * utilities.recommender + _alike(weights) * weights.society * utilities.society
    )


def second(utilities: Utilities, weights: Utilities) -> Array:
    """Pays the second of two learners: by the weights, but for cooperation alone where the weight of users is 1."""
    return jnp.asarray(
        _alike(weights) * weights.recommender * utilities.recommender + weights.society * utilities.society
    )


def _alike(weights: Utilities) -> Array:
    """1 where both are paid for the same, 0 where the weight of users, who pay neither, says that they are not."""
    return 1 - jnp.asarray(weights.user)

"""RewiringMarket-v0: recommenders who learn compete for the users of the rewiring game with rivals who do not."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jaxtyping import Float, PyTree

from jaxrec import checks
from jaxrec.envs.rewiring import requests
from jaxrec.envs.rewiring.env import PAPER_TIME_LIMIT, RewiringGame, RewiringParams
from jaxrec.envs.rewiring.graph import starts
from jaxrec.envs.rewiring.heuristics import HEURISTICS, Heuristic, heuristic, stack_kinds
from jaxrec.envs.rewiring.market import dynamics, metrics, observation, policies
from jaxrec.envs.rewiring.market.dynamics import MarketState
from jaxrec.spaces import Space
from jaxrec.utilities import Utilities

SEED = 0.1  # initial share of a learner; section 5.2
SHARPER = 10  # times the intensity of selection of strategies is that of recommenders; section 5.1


@no_type_check
class MarketParams(RewiringParams):
    """Run-time values of a market.

    Attributes:
        shares: float[kinds], sums to 1: the initial fraction of users of each recommender, the learners first, rounded
            to whole users and shuffled. A learner must have a user.
        recommender_timescale: float[] from 0, W2: recommender updates for each other update; may be infinite. At 0 no
            user changes its recommender. `learning` does not read it.
        recommender_beta: float[] from 0, intensity of selection of recommender updates.
        exclusive: bool[], all recommenders but the local heuristic recommend their own users alone (section 5.1).
    """

    shares: Float[np.ndarray | Array, "*batch kinds"] = struct.field(default_factory=lambda: np.array([0.1, 0.9]))
    recommender_timescale: float | Array = 0.1
    recommender_beta: float | Array = 0.05
    exclusive: bool | Array = False


@dataclasses.dataclass(unsafe_hash=True)
class RewiringMarket(RewiringGame):
    """Recommend new neighbours to users who may leave for another recommender.

    Source: Carvalho, "Modelling the Recommender Alignment Problem", section 5, with learners in the place of some of
    its heuristics (its future work, section 8).

    - **Society**: that of `RewiringGame`. Each user has a recommender: a learner, or one of the `rivals`. In a
      recommender update a user takes over that of a random neighbour, more likely if the neighbour is fitter.
    - **Step**: one request of a learner's user: the society runs until one asks, at most `max_wait` time-steps. The
      rivals answer their own users in between.
    - **Observation**: `market.MarketObservation`: that of the game, which users are one's own, the share of these, and
      whose turn it is. If exclusive, the mask allows own users alone.
    - **Action**: int32[], the user recommended, as in the game; if exclusive, another's user is not eligible.
    - **Reward**: as in the game, of the utilities below.
    - **Termination**: as in the game. A learner without users waits until then.
    - **Utilities**: recommender = rewire requests of own users, so that adoption pays; user = the fitness of each user,
      whoever's it is; society = the fraction of cooperators.
    - **Preferences**: the strategies. Whose user one is, is none: that is how users answer to being served. At
      influence 0 recommendations change neither.
    - **Two learners** are asked in turn, whoever's user asks; observation and requests are those of the one whose turn
      it is, and the reward counts the requests of both. `seated(learner)` gives the same market as one of them sees
      it: only its own turns are requests, and only its own requests pay. `jaxrec.agents.IndependentPPO` trains both.

    Examples:
        >>> import jax, jaxrec
        >>> from jaxrec.envs.rewiring import RewiringMarket
        >>> env = RewiringMarket(num_users=10, degree=4, rivals=("local", "bad"), exclusive=True)
        >>> rollout = jaxrec.rollout(env, env.policy("good"), jax.random.key(0), num_envs=2, num_steps=3)
        >>> rollout.per_env["share"].shape
        (2,)

    Attributes:
        max_wait: time-steps without a request of a learner's user after which a step ends, at least 1.
        rivals: names in `HEURISTICS`, at least one; or the one.
        exclusive: the default of the run-time value of this name.
        learners: 1 or 2.
        seat: the learner whose view this is; None for the one whose turn it is.
    """

    max_wait: int = 16
    rivals: tuple[str, ...] | str = ("local",)
    exclusive: bool = False
    learners: int = 1
    seat: int | None = None

    policies: ClassVar[dict[str, Callable[[Any, Any], Any]]] = policies.POLICIES
    sparse_metrics: ClassVar[tuple[str, ...]] = (*RewiringGame.sparse_metrics, *metrics.SPARSE)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rivals = (self.rivals,) if isinstance(self.rivals, str) else tuple(self.rivals)
        if not self.rivals:
            raise checks.InputError(f"rivals must name at least one of {sorted(HEURISTICS)}, got none")
        for name in self.rivals:
            checks.lookup(HEURISTICS, name, "rival")
        checks.boolean("exclusive", self.exclusive)
        checks.positive("learners", self.learners, 2)
        if self.num_users < self.learners:
            raise checks.InputError(f"num_users must be at least learners={self.learners}, got {self.num_users}")
        if self.seat not in (None, *range(self.learners)):
            raise checks.InputError(f"seat must be None or one of {list(range(self.learners))}, got {self.seat!r}")

    @property
    def default_params(self) -> MarketParams:
        """A tenth of the users for each learner, the others in equal parts for the rivals; else as in the game."""
        base = super().default_params
        seed = max(SEED, 1 / self.num_users)
        left = (1 - seed * self.learners) / len(self.rivals)
        limit = PAPER_TIME_LIMIT.get(self.num_users, 100 * self.num_users)
        return MarketParams(
            **vars(base.replace(time_limit=limit)),
            shares=np.array([seed] * self.learners + [left] * len(self.rivals), np.float32),
            recommender_beta=SHARPER * base.beta,
            exclusive=self.exclusive,
        )

    def check_params(self, params: MarketParams, batch: tuple[int, ...] = ()) -> None:  # type: ignore[override]
        """Raises InputError for a parameter out of range."""
        super().check_params(params.replace(recommender_timescale=0.0), batch)  # it may exceed a million
        checks.shaped("shares", params.shares, (*batch, self.learners + len(self.rivals)))
        for name, most in (("recommender_timescale", np.inf), ("recommender_beta", np.inf), ("exclusive", 1)):
            checks.shaped(name, getattr(params, name), batch)
            checks.within(name, getattr(params, name), 0.0, most)
        checks.within("shares", params.shares, 0.0, 1.0)
        shares = checks.concrete("shares", params.shares)
        if shares is None:
            return
        totals = shares.sum(axis=-1)
        if np.abs(totals - 1).max() > 1e-5:
            raise checks.InputError(f"shares must sum to 1, got {shares.tolist()}, which sum to {totals.tolist()}")
        users = np.round(np.cumsum(shares.astype(np.float32), axis=-1) * self.num_users)
        if (np.diff(users, axis=-1, prepend=0)[..., : self.learners] < 1).any():
            raise checks.InputError(
                f"shares must leave each learner a user of the {self.num_users}, got {shares.tolist()}: the first "
                f"{self.learners} are the learners'"
            )

    def reset_env(self, key: Array, params: MarketParams) -> tuple[Any, MarketState]:  # type: ignore[override]
        """Draws a graph, strategies and recommenders, and runs the society until the first request of a learner."""
        key_start, key_wait = jax.random.split(key)
        with_degrees = any(HEURISTICS[name].degree != 0 for name in self.rivals)
        society = self.start(key_start, self.observe_as == "graphs_tuple", with_degrees)
        members = starts.members(jax.random.fold_in(key_start, 1), jnp.asarray(params.shares), self.num_users)
        society = society.replace(members=members)
        unasked = requests.unasked(society, self.law, params)
        none = jnp.zeros(self.learners, jnp.int32)
        state = self._wait(key_wait, MarketState(**vars(unasked), own_requests=none), params)
        state = state.replace(requests=unasked.requests, own_requests=none)
        return self.observe(state, params), state

    def observe(self, state: MarketState, params: MarketParams) -> Any:  # type: ignore[override]
        """Returns the request as `market.MarketObservation`, of the learner in the seat."""
        turn = self.turn(state)
        seat = turn if self.seat is None else self.seat
        return observation.observe(state.society, state.meeting, turn, seat, params, self.num_ties, self.observe_as)

    def utilities(  # type: ignore[override]
        self, state: MarketState, action: Array | int, next_state: MarketState, params: MarketParams
    ) -> Utilities:
        """Gives the requests of own users, each user's fitness (float[N]), and the fraction of cooperators.

        Args:
            state: before the step.
            action: int32[], the user recommended.
            next_state: after the step.
            params: run-time values.
        """
        own = next_state.own_requests - state.own_requests
        paid = own.sum() if self.seat is None else own[self.seat]
        return super().utilities(state, action, next_state, params).replace(recommender=paid.astype(float))

    def metrics(  # type: ignore[override]
        self, state: MarketState, action: Array | int, next_state: MarketState, params: MarketParams
    ) -> dict[str, Array]:
        """Returns those of the game and `market.metrics.of_own`, of the learner in the seat, else of all learners.

        Args:
            state: before the step.
            action: int32[], the user recommended.
            next_state: after the step.
            params: run-time values.
        """
        members = next_state.society.members
        own = members[: self.learners] if self.seat is None else members[self.seat][None]
        base = super().metrics(state, action, next_state, params)
        return base | metrics.of_own(next_state.society, jnp.bitwise_or.reduce(own), params, self.law)

    def observation_space(self, params: MarketParams | None = None) -> Space:  # type: ignore[override]
        """The space of `market.MarketObservation`."""
        return observation.space(self.num_users, self.num_ties, self.observe_as, self.learners)

    def render(self, trajectory: PyTree, params: PyTree = None) -> Any:
        """Draws the first episode of a trajectory of one environment (`market.render.render_episode`)."""
        from jaxrec.envs.rewiring.market.render import render_episode

        return render_episode(self, trajectory, params)

    def turn(self, state: MarketState) -> Array:
        """int32[]: the learner whose user waits; 0 if none does."""
        return dynamics.turn(state)

    def seated(self, learner: int) -> "RewiringMarket":
        """Returns the same market as one learner sees it.

        For agents that train several learners together: on another's turn, which this view does not call a request,
        the action is the other's.
        """
        return dataclasses.replace(self, seat=learner)

    def kinds(self, params: MarketParams) -> Heuristic:
        """Returns the recommenders, stacked along a leading axis; "null" in the places of the learners."""
        names = ["null"] * self.learners + list(self.rivals)
        walls = np.array([name != "local" for name in names])
        return stack_kinds(map(heuristic, names)).replace(exclusive=walls & jnp.asarray(params.exclusive, bool))

    def _answer(self, state: MarketState, action: Array, params: MarketParams) -> MarketState:  # type: ignore[override]
        """Answers the request, of an own user alone if exclusive."""
        return dynamics.answer(state, action, self.law, params)

    def _wait(self, key: Array, state: MarketState, params: MarketParams) -> MarketState:  # type: ignore[override]
        """Runs the society until the next request of a learner's user."""
        rules = self.law
        advance = partial(dynamics.until_request, rules=rules, params=params, kinds=self.kinds(params))
        return requests.wait(key, state, rules, params, self.max_wait, advance)

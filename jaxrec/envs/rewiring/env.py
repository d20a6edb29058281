"""RewiringGame-v0: users who play, imitate each other, and leave defectors for the users recommended to them."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, Literal, no_type_check

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.environment import Environment, EnvParams
from jaxrec.envs.rewiring import metrics, observation, policies, requests
from jaxrec.envs.rewiring.arguments import check_engine, check_graph
from jaxrec.envs.rewiring.games import DILEMMA, PAIRWISE, Game, Pairwise, check_game, check_payoffs
from jaxrec.envs.rewiring.graph import starts
from jaxrec.envs.rewiring.graph.society import Society
from jaxrec.envs.rewiring.requests import RewiringState
from jaxrec.envs.rewiring.rules import Rules, resolve
from jaxrec.spaces import Box, Discrete, Space
from jaxrec.utilities import RewardFunction, Utilities

PAPER_BETA = {10: 0.1, 30: 0.05, 100: 0.005, 500: 0.005}  # by number of users; section 4
PAPER_TIME_LIMIT = {10: 1_000, 30: 3_000, 100: 10_000, 500: 30_000}  # time-steps, by number of users; section 4


@no_type_check
class RewiringParams(EnvParams):
    """Run-time values.

    Attributes:
        beta: float[] from 0, intensity of selection, the inverse temperature of imitation and of rewiring.
        temptation, sucker: float[], payoffs T in [0, 2] and S in [-1, 1]; R = 1, P = 0.
        timescale: float[] from 0, W: structural updates for each strategy update; may be infinite. `learning` does not
            read it.
        time_limit: int32[] from 1, time-steps of an episode.
    """

    beta: float | Array = 0.005
    temptation: float | Array = DILEMMA["temptation"]
    sucker: float | Array = DILEMMA["sucker"]
    timescale: float | Array = 1.0
    time_limit: int | Array = 500_000


@dataclasses.dataclass(unsafe_hash=True)
class RewiringGame(Environment[RewiringState, RewiringParams]):
    """Recommend new neighbours to users who leave a defector.

    Source: Carvalho, "Modelling the Recommender Alignment Problem", sections 3 to 5; `rules` says what holds where the
    paper is silent or its author's published program differs.

    - **Society**: N users on a graph with N k / 2 ties, cooperators and defectors. Neighbours play a symmetric game
      (R = 1, P = 0, T, S); fitness is the sum of a user's payoffs. Users imitate fitter neighbours and, dissatisfied
      with a defector, rewire the tie.
    - **Step**: one request: the society runs until a user has won the right to rewire, at most `max_wait` time-steps;
      after `max_wait` without, the step carries no request (`obs.requested` is false and the action is not read).
    - **Observation**: `observation.Observation`: the focused user, its partner, features of all users, the graph, and
      the mask of valid actions.
    - **Action**: int32[], the user recommended. If it is not eligible (the focused user, a neighbour, out of range) the
      tie stays and `info["ineligible"]` counts it, also if nobody is; a partner's last tie stays too, uncounted.
      Unlike other societies, this one does not replace a traced action out of range by the nearest; `step` refuses a
      concrete one, and `info["invalid_action"]` marks a traced one.
    - **Reward**: by `reward`, of the utilities below; the component of society is 2 (c - 1/2) at the end, with c the
      fraction of cooperators, paid step by step (`reward_components`).
    - **Termination**: all users have one strategy, or `params.time_limit` time-steps. Never truncated.
    - **Utilities**: recommender = rewire requests in this step, executed or not; user = each user's fitness; society =
      the fraction of cooperators.
    - **influence**: the probability that a user follows the recommendation; otherwise the local heuristic chooses.

    Examples:
        >>> import jax, jaxrec
        >>> from jaxrec.envs.rewiring import RewiringGame
        >>> env = RewiringGame(num_users=10, degree=4)
        >>> rollout = jaxrec.rollout(env, env.policy("good"), jax.random.key(0), num_envs=2, num_steps=3)
        >>> rollout.per_env["cooperation"].shape
        (2,)

    Attributes:
        num_users: N, at most 16 383.
        degree: k, the mean number of neighbours, below N; N k must be even.
        rules: "carvalho", "santos", "printed", "learning", or `Rules` of your own.
        graph: "regular", every user starts with k neighbours; or "uniform", uniform among graphs with N k / 2 ties.
        observe_as: "dense", the graph is bool[N, N]; or "graphs_tuple", a `jraph.GraphsTuple`.
        max_wait: time-steps without a request after which a step ends, at least 1.
        any_payoffs: allows T and S outside the ranges of the paper.
        game: `Pairwise()`, or `PublicGoods(factor)`, which does not read T and S.
        reward: a name in `jaxrec.utilities.REWARDS`, or a function of (utilities, weights).
        engine: what computes a step: "xla"; or "pallas", one kernel for one GPU that none has timed yet, on a CPU slow.
            It plays the same, but for decisions that hang on the last digit of a float.
    """

    num_users: int = 30
    degree: int = 8
    rules: str | Rules = "carvalho"
    graph: Literal["regular", "uniform"] = "regular"
    observe_as: Literal["dense", "graphs_tuple"] = "dense"
    max_wait: int = 4
    any_payoffs: bool = False
    game: Game = PAIRWISE
    reward: str | RewardFunction = "engagement"
    engine: Literal["xla", "pallas"] = "xla"

    policies: ClassVar[dict[str, Callable[[Any, Any], Any]]] = policies.POLICIES
    preferences: ClassVar[tuple[str, ...]] = ("society.cooperators",)
    sparse_metrics: ClassVar[tuple[str, ...]] = ("action_strategy", "action_degree")

    def __post_init__(self) -> None:
        for name in ("num_users", "degree", "max_wait"):
            checks.positive(name, getattr(self, name), checks.MOST_STEPS)
        check_graph(self.num_users, self.degree, self.graph, resolve(self.rules))
        checks.boolean("any_payoffs", self.any_payoffs)
        check_game(self.game)
        checks.lookup(dict.fromkeys(observation.OBSERVE_AS), self.observe_as, "observe_as")
        check_engine(self.engine, self.law, self.observe_as, self.max_wait)
        own = type(self)
        if self.engine == "pallas" and (own._answer, own._wait) != (RewiringGame._answer, RewiringGame._wait):
            raise checks.InputError(f"engine 'pallas' has the rules of RewiringGame alone, got {self.name}")
        self.check_reward()

    @property
    def default_params(self) -> RewiringParams:
        """The prisoner's dilemma at W = 1; beta, and in `learning` the limit, of the paper's section 4 at its sizes."""
        beta = PAPER_BETA.get(self.num_users, 0.005)
        if resolve(self.rules).single_clock:
            return RewiringParams(beta=beta, time_limit=PAPER_TIME_LIMIT.get(self.num_users, 100 * self.num_users))
        return RewiringParams(beta=beta)

    def check_params(self, params: RewiringParams, batch: tuple[int, ...] = ()) -> None:
        """Raises InputError for a parameter out of range."""
        super().check_params(params.replace(timescale=0.0, time_limit=1), batch)  # these may exceed a million
        names = [field.name for field in dataclasses.fields(RewiringParams)]
        for name in set(names) - {"influence", "reward_weights"}:
            checks.shaped(name, getattr(params, name), batch)
        infinity = float("inf")
        for name in ("beta", "timescale"):
            checks.within(name, getattr(params, name), 0.0, infinity)
        checks.within("time_limit", params.time_limit, 1, 2**31 - 1)
        check_payoffs(self.game, params.temptation, params.sucker, self.any_payoffs)

    def reset_env(self, key: Array, params: RewiringParams) -> tuple[Any, RewiringState]:
        """Draws a graph and strategies, and runs the society until the first request."""
        key_start, key_wait = jax.random.split(key)
        society = self.start(key_start, with_edges=self.observe_as == "graphs_tuple")
        state = requests.first(key_wait, society, self.law, params, self.max_wait)
        return self.observe(state, params), state

    def transition(
        self, key: Array, state: RewiringState, action: Array | int, params: RewiringParams
    ) -> tuple[RewiringState, Array]:
        """Answers the request, then runs the society until the next one.

        Args:
            key: a typed key, for what happens until then.
            state: of one society.
            action: int32[], the user recommended.
            params: run-time values.

        Returns:
            (next state, bool[] terminated).
        """
        action = jnp.asarray(action, jnp.int32)
        if self.engine == "pallas":
            from jaxrec.envs.rewiring.warp.turns import turn  # not before: not every jaxlib has Triton

            after = turn(state, action, requests.words_of_wait(key, self.max_wait), self.law, params)
        else:
            after = self._answer(state, action, params)
            after = self._wait(key, after.replace(time=after.time + 1), params)
            after = after.replace(outcome=metrics.outcome(state, action, after))
        return after, ~after.meeting.acts & requests.is_over(after, params)

    def observe(self, state: RewiringState, params: RewiringParams) -> Any:
        """Returns the request as `observation.Observation`."""
        return observation.observe(state.society, state.meeting, self.num_ties, self.observe_as)

    def utilities(
        self, state: RewiringState, action: Array | int, next_state: RewiringState, params: RewiringParams
    ) -> Utilities:
        """Gives the requests in the step, each user's fitness (float[N]), and the fraction of cooperators.

        Args:
            state: not read.
            action: not read.
            next_state: after the step, with its `outcome`.
            params: run-time values.
        """
        return Utilities(
            recommender=next_state.outcome.requests.astype(float),
            user=metrics.fitness(next_state.society, params, self.law),
            society=metrics.cooperation(next_state.society),
        )

    def metrics(
        self, state: RewiringState, action: Array | int, next_state: RewiringState, params: RewiringParams
    ) -> dict[str, Array]:
        """Returns `metrics.transition_metrics`.

        Args:
            state: not read.
            action: not read.
            next_state: after the step, with its `outcome`.
            params: not read.
        """
        return metrics.transition_metrics(next_state.society, self.num_ties, next_state.outcome)

    def action_space(self, params: RewiringParams | None = None) -> Discrete:
        """The users."""
        return Discrete(self.num_users)

    def observation_space(self, params: RewiringParams | None = None) -> Space:
        """The space of `observation.Observation`."""
        return observation.space(self.num_users, self.num_ties, self.observe_as)

    @property
    def num_start_states(self) -> int:
        """The size of the reset pool of a batch, smaller for larger societies: random graphs are costly."""
        return min(1024, 2**17 // self.num_users)

    def reward_components(
        self, state: RewiringState, action: Array | int, next_state: RewiringState, params: RewiringParams
    ) -> Utilities:
        """Pays society 2 (c - 1/2) at the end of an episode, c the fraction of cooperators; the rest are `utilities`.

        This is the paper's reward of an aligned recommender (section 4.2), paid step by step: the first step pays
        2 (c - 1/2) of the next state, each other step the change, so that an episode sums to that of its end.

        Args:
            state: before the step.
            action: int32[], the user recommended.
            next_state: after the step.
            params: run-time values.
        """
        worth = self.utilities(state, action, next_state, params)
        before = jnp.where(state.time == 0, 0.5, metrics.cooperation(state.society))
        return worth.replace(society=2 * (worth.society - before))

    def info(
        self, state: RewiringState, action: Array | int, next_state: RewiringState, params: RewiringParams
    ) -> dict[str, Array]:
        """Gives `ineligible`: int32[], recommendations so far in the episode that could not be followed.

        Args:
            state: not read.
            action: not read.
            next_state: after the step.
            params: not read.
        """
        return {"ineligible": next_state.ineligible}

    def render(self, trajectory: PyTree, params: PyTree = None) -> Any:
        """Draws the first episode of a trajectory of one environment (`render.render_episode`)."""
        from jaxrec.envs.rewiring.render import render_episode

        return render_episode(self, trajectory, params)

    def legal_action(self, action: PyTree, params: RewiringParams) -> PyTree:
        """Returns the action; one out of range as -1 or N, as ineligible: the nearest user would be another one."""
        return Box(-1, self.num_users, (), jnp.int32).nearest(action)

    @property
    def law(self) -> Rules:
        """The rules with the game."""
        rules = resolve(self.rules)
        return rules if isinstance(self.game, Pairwise) else dataclasses.replace(rules, game=self.game)

    @property
    def num_ties(self) -> int:
        """E = N k / 2; it never changes."""
        return self.num_users * self.degree // 2

    def start(self, key: Array, with_edges: bool = False, with_degrees: bool = False) -> Society:
        """Draws a society at its start.

        Args:
            key: a typed key.
            with_edges: keeps the list of ties, for an observation; rules that draw ties keep it in any case.
            with_degrees: keeps the degrees, for a recommender that reads them.

        Returns:
            One society, without members of recommenders.
        """
        rules, users, edges = resolve(self.rules), self.num_users, with_edges or resolve(self.rules).pair == "edge"
        regular = starts.k_regular, self.degree
        draw, number = regular if self.graph == "regular" else (starts.uniform_random, self.num_ties)

        def drawn(key: Array) -> Society:
            key_graph, key_strategies = jax.random.split(key)
            cooperators = starts.strategies(key_strategies, users, rules.strategies == "half")
            return starts.society(draw(key_graph, users, number), cooperators, edges, with_degrees)

        return starts.in_turn(drawn)(key)

    def _answer(self, state: RewiringState, action: Array, params: RewiringParams) -> RewiringState:
        return requests.answer(state, action, self.law, params)

    def _wait(self, key: Array, state: RewiringState, params: RewiringParams) -> RewiringState:
        return requests.wait(key, state, self.law, params, self.max_wait)

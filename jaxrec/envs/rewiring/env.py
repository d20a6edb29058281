"""RewiringGame-v0: users who play, imitate each other, and leave defectors for whom they are recommended."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jax import Array

from jaxrec import checks
from jaxrec.environment import Environment, EnvParams, EnvState
from jaxrec.envs.rewiring import dynamics, metrics, observation, policies
from jaxrec.envs.rewiring.graph import bitset, draws, starts
from jaxrec.envs.rewiring.graph.society import Society, contains, tie_between
from jaxrec.envs.rewiring.heuristics import heuristic, stack_kinds
from jaxrec.envs.rewiring.rules import Rules, resolve
from jaxrec.spaces import Discrete, Space
from jaxrec.utilities import RewardFunction, Utilities

PAPER_BETA = {10: 0.1, 30: 0.05, 100: 0.005, 500: 0.005}
PAPER_TIME_LIMIT = {10: 1_000, 30: 3_000, 100: 10_000, 500: 30_000}


class RewiringState(EnvState):
    """One society, waiting for a recommendation.

    Attributes:
        time: int32[], recommendations asked for (steps of the environment).
        clock: int32[], time-steps of the society.
        society: who is tied to whom and who cooperates.
        meeting: who waits for a recommendation; `meeting.acts` is false where nobody does.
        requests: int32[], rewire requests since the first observation, executed or not; that of `meeting` counts once
            it is answered.
        rewires: int32[], ties moved so far.
        ineligible: int32[], recommendations so far of whom the user cannot be tied to: the tie stayed.
    """

    clock: Any
    society: Any
    meeting: Any
    requests: Any
    rewires: Any
    ineligible: Any


class RewiringParams(EnvParams):
    """Run-time values.

    Attributes:
        beta: float[], intensity of selection, the inverse temperature of imitation and of rewiring. 0.005.
        temptation, sucker: float[], payoffs T in [0, 2] and S in [-1, 1]; R = 1, P = 0. Prisoner's dilemma: 2, -1.
        timescale: float[], W: structural updates for each strategy update; may be infinite. Not read in `learning`.
        time_limit: int32[], time-steps of an episode.
    """

    beta: Any = 0.005
    temptation: Any = 2.0
    sucker: Any = -1.0
    timescale: Any = 1.0
    time_limit: Any = 500_000


@dataclasses.dataclass(unsafe_hash=True)
class RewiringGame(Environment):
    """Recommend to users who leave a defector whom they should be tied to instead.

    Source: Carvalho, "Modelling the Recommender Alignment Problem", sections 3 to 5; where the paper is silent or its
    author's published program differs, see `rules`.

    - **Society**: N users on a graph with N k / 2 ties, cooperators and defectors. Neighbours play a symmetric game
      (R = 1, P = 0, T, S); fitness is the sum of a user's payoffs. Users imitate fitter neighbours and, dissatisfied
      with a defector, rewire the tie.
    - **Step**: one rewire that was won: the society runs until somebody may rewire, at most `max_wait` time-steps;
      after so many without, the step carries no request (`obs.requested` is false and the action is not read).
    - **Observation**: `observation.Observation`: the focused user, its partner, features of all users, the graph, and
      the mask of valid actions.
    - **Action**: int32[], the user to be tied to. One that is not eligible (the user itself, a neighbour, out of range)
      leaves the tie where it is and is counted in `info["ineligible"]`, also where nobody is eligible; a partner's
      last tie stays too, uncounted. So, unlike in other societies, nobody else is recommended in place of one out of
      range; here too `step` refuses it where it is concrete, and `info["invalid_action"]` says so where it is traced.
    - **Reward**: by `reward`, of the utilities below; as an incentive, society's is 2 (c - 1/2) at the end, with c the
      fraction of cooperators, paid as it comes about (see `reward_components`).
    - **Termination**: all users have one strategy, or `params.time_limit` time-steps. Never truncated.
    - **Utilities**: recommender = rewire requests in this step, executed or not; user = each user's fitness; society =
      the fraction of cooperators.
    - **influence**: the probability that a user follows the recommendation; otherwise the local heuristic chooses.

    Attributes:
        num_users: N, at most 16 383.
        degree: k, the mean number of neighbours, below N; N k must be even.
        rules: "carvalho", "santos", "printed", "learning", or `Rules` of your own.
        graph: "regular", everybody starts with k neighbours; or "uniform", uniform among graphs with N k / 2 ties.
        observe_as: "dense", the graph is bool[N, N]; or "graphs_tuple", a `jraph.GraphsTuple`.
        max_wait: see Step.
        any_payoffs: allows T and S outside the ranges of the paper.
        reward: see `jaxrec.utilities`.
    """

    num_users: int = 30
    degree: int = 8
    rules: str | Rules = "carvalho"
    graph: Literal["regular", "uniform"] = "regular"
    observe_as: Literal["dense", "graphs_tuple"] = "dense"
    max_wait: int = 4
    any_payoffs: bool = False
    reward: str | RewardFunction = "engagement"

    policies: ClassVar[dict[str, Callable[[Any, Any], Any]]] = policies.POLICIES
    preferences: ClassVar[tuple[str, ...]] = ("society.cooperators",)
    sparse_metrics: ClassVar[tuple[str, ...]] = ("action_strategy", "action_degree")

    def __post_init__(self) -> None:
        for name in ("num_users", "degree", "max_wait"):
            checks.positive(name, getattr(self, name), checks.MOST_STEPS)
        self._check_graph()
        checks.boolean("any_payoffs", self.any_payoffs)
        checks.lookup(dict.fromkeys(observation.KINDS), self.observe_as, "observe_as")
        self.check_reward()

    def _check_graph(self) -> None:
        rules, users, degree = resolve(self.rules), self.num_users, self.degree
        checks.lookup(dict.fromkeys(("regular", "uniform")), self.graph, "graph")
        if users > dynamics.MAX_USERS:
            raise checks.InputError(f"num_users must be at most {dynamics.MAX_USERS}, got {users}")
        if degree >= users:
            raise checks.InputError(f"degree must be below num_users={users}, got {degree}")
        if users * degree % 2:
            raise checks.InputError(f"num_users * degree must be even, got {users} * {degree}")
        if rules.unfocused >= users:
            raise checks.InputError(f"rules.unfocused must be below num_users={users}, got {rules.unfocused}")
        if rules.pair == "edge" and self.num_ties > draws.MAX_CHOICES:
            raise checks.InputError(
                f"rules={rules.name!r} draws ties: there may be {draws.MAX_CHOICES}, got {self.num_ties}"
            )

    @property
    def num_ties(self) -> int:
        """E = N k / 2; it never changes."""
        return self.num_users * self.degree // 2

    @property
    def num_start_states(self) -> int:
        """Random graphs are costly: batches restart from a bank of so many, fewer where societies are large."""
        return min(1024, 2**17 // self.num_users)

    @property
    def default_params(self) -> RewiringParams:
        """The prisoner's dilemma at W = 1; beta, and in `learning` the limit, of the paper's section 4 at its sizes."""
        beta = PAPER_BETA.get(self.num_users, 0.005)
        if resolve(self.rules).single_clock:
            return RewiringParams(beta=beta, time_limit=PAPER_TIME_LIMIT.get(self.num_users, 100 * self.num_users))
        return RewiringParams(beta=beta)

    def check_params(self, params: RewiringParams, batch: tuple[int, ...] = ()) -> None:
        """Raises InputError for a parameter out of range."""
        super().check_params(params.replace(timescale=0.0, time_limit=1), batch)  # which may be larger than others
        names = [field.name for field in dataclasses.fields(RewiringParams)]
        for name in set(names) - {"influence", "reward_weights"}:
            checks.shaped(name, getattr(params, name), batch)
        infinity = float("inf")
        for name in ("beta", "timescale"):
            checks.within(name, getattr(params, name), 0.0, infinity)
        checks.within("time_limit", params.time_limit, 1, 2**31 - 1)
        if not self.any_payoffs:
            try:
                checks.within("temptation", params.temptation, 0.0, 2.0)
                checks.within("sucker", params.sucker, -1.0, 1.0)
            except checks.InputError as error:
                raise checks.InputError(f"{error}; any_payoffs=True allows it") from None

    def start(self, key: Array, with_edges: bool = False, with_degrees: bool = False) -> Society:
        """A society at its start. Lists of ties and degrees are kept only where something reads them."""
        key_graph, key_strategies = jax.random.split(key)
        draw = starts.k_regular if self.graph == "regular" else starts.uniform_random
        ties = draw(key_graph, self.num_users, self.degree if self.graph == "regular" else self.num_ties)
        if resolve(self.rules).strategies == "half":
            cooperators = jax.random.permutation(key_strategies, self.num_users) < self.num_users // 2
        else:
            cooperators = jax.random.bernoulli(key_strategies, shape=(self.num_users,))
        adjacency = starts.adjacency_rows(ties, self.num_users)
        keeps_edges = with_edges or resolve(self.rules).pair == "edge"
        return Society(
            adjacency=adjacency,
            cooperators=bitset.pack(cooperators),
            members=jnp.zeros((0, adjacency.shape[1]), jnp.uint32),
            edges=ties if keeps_edges else jnp.zeros((0, 2), jnp.int32),
            degrees=bitset.count(adjacency.T) if with_degrees else jnp.zeros(0, jnp.int32),
        )

    def reset_env(self, key: Array, params: RewiringParams) -> tuple[Any, RewiringState]:
        """A random graph and random strategies, run until the first recommendation is asked for."""
        key_start, key_wait = jax.random.split(key)
        society = self.start(key_start, with_edges=self.observe_as == "graphs_tuple")
        zero = jnp.zeros((), jnp.int32)
        shapes = jax.eval_shape(partial(dynamics.meet, rules=resolve(self.rules)), society, _words(key), params=params)
        meeting = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        state = self._wait(key_wait, RewiringState(zero, zero, society, meeting, zero, zero, zero), params)
        state = state.replace(requests=zero)  # an episode is charged for what happens after its first observation
        return self.observe(state, params), state

    def legal_action(self, action: Any, params: RewiringParams) -> Any:
        """The action as it is: one out of range is ineligible, and the nearest user would be another recommendation."""
        return action

    def transition(
        self, key: Array, state: RewiringState, action: Array | int, params: RewiringParams
    ) -> tuple[RewiringState, Array]:
        """The waiting user is answered, then the society runs until the next one waits."""
        state = self._answer(state, jnp.asarray(action, jnp.int32), params)
        state = self._wait(key, state.replace(time=state.time + 1), params)
        return state, ~state.meeting.acts & self._is_over(state, params)

    def observe(self, state: RewiringState, params: RewiringParams) -> Any:
        """See `observation.Observation`."""
        return observation.observe(state.society, state.meeting, self.observe_as)

    def info(self, state: RewiringState, action: Any, next_state: RewiringState, params: Any) -> dict[str, Array]:
        """`ineligible`: int32[], how many recommendations of the episode could not be followed."""
        return {"ineligible": next_state.ineligible}

    def utilities(
        self, state: RewiringState, action: Array | int, next_state: RewiringState, params: RewiringParams
    ) -> Utilities:
        """Recommender: requests. User: fitness (float[N]). Society: the fraction of cooperators."""
        return Utilities(
            recommender=(next_state.requests - state.requests).astype(float),
            user=metrics.payoffs(next_state.society, params),
            society=metrics.cooperation(next_state.society),
        )

    def reward_components(
        self, state: RewiringState, action: Array | int, next_state: RewiringState, params: RewiringParams
    ) -> Utilities:
        """As `utilities`, but society: 2 (c - 1/2) at the end of an episode, c the fraction of cooperators.

        The paper's reward of an aligned recommender (section 4.2), paid as it comes about: the first step pays that of
        where it leads, each other step the change, so that the steps of an episode sum to that of its end.
        """
        worth = self.utilities(state, action, next_state, params)
        before = jnp.where(state.time == 0, 0.5, metrics.cooperation(state.society))
        return worth.replace(society=2 * (worth.society - before))

    def metrics(
        self, state: RewiringState, action: Array | int, next_state: RewiringState, params: RewiringParams
    ) -> dict[str, Array]:
        """See `metrics.measure`; what the step did: requests, rewires, ineligible, time_steps; and who was recommended.

        `action_strategy` (1 for a cooperator) and `action_degree` are NaN where no recommendation was asked for.
        """
        society, action = state.society, jnp.clip(action, 0, self.num_users - 1)

        def if_asked(value: Array) -> Array:
            return jnp.where(state.meeting.acts, jnp.asarray(value, float), jnp.nan)

        done = {
            name: getattr(next_state, name) - getattr(state, name) for name in ("requests", "rewires", "ineligible")
        }
        measured = metrics.measure(next_state.society)
        del measured["shares"]
        return (
            measured
            | done
            | {
                "time_steps": next_state.clock - state.clock,
                "action_strategy": if_asked(contains(society.cooperators, action)),
                "action_degree": if_asked(bitset.count(society.adjacency[action])),
            }
        )

    def action_space(self, params: RewiringParams | None = None) -> Discrete:
        """The users."""
        return Discrete(self.num_users)

    def observation_space(self, params: RewiringParams | None = None) -> Space:
        """See `observation.Observation`."""
        return observation.space(self.num_users, self.num_ties, self.observe_as)

    def render(self, trajectory: Any, params: Any = None) -> Any:
        """A matplotlib figure of one episode: see `render.render_episode`."""
        from jaxrec.envs.rewiring.render import render_episode

        return render_episode(self, trajectory)

    def _answer(self, state: RewiringState, action: Array, params: RewiringParams) -> RewiringState:
        """The society after whoever waits was recommended `action`; nobody may wait."""
        met, society, one = state.meeting, state.society, jnp.ones(())
        user = dynamics.actor(met)
        follows = draws.uniform(met.coin) < params.influence
        valid = (action >= 0) & (action < self.num_users) & (action != user.index)
        valid = valid & ~contains(user.ties, jnp.clip(action, 0, self.num_users - 1))
        local = dynamics.recommend(society, met, stack_kinds([heuristic("local")]), params)
        new = jnp.where(follows, jnp.where(valid, action, 0), local.new)
        if society.edges.shape[0] and met.tie is None:
            met = met.replace(tie=tie_between(society.edges, user.index, dynamics.other(met).index))
        society, moved = dynamics.rewire(society, met, new, jnp.where(follows, valid, local.eligible), one)
        if resolve(self.rules).single_clock:
            after = dynamics.imitate_after(society, met, new, moved, params)
            society = jax.tree.map(lambda a, b: jnp.where(met.acts, a, b), after, society)
        return state.replace(
            society=society,
            meeting=state.meeting.replace(acts=jnp.zeros_like(met.acts)),
            requests=state.requests + met.acts,
            rewires=state.rewires + moved,
            ineligible=state.ineligible + (met.acts & follows & ~valid),
        )

    def _wait(self, key: Array, state: RewiringState, params: RewiringParams) -> RewiringState:
        """The society at the next recommendation asked for, or after `max_wait` time-steps, or at the end."""
        rules = resolve(self.rules)

        def pending(carry: Any) -> Array:
            state, waited = carry
            return ~state.meeting.acts & ~self._is_over(state, params) & (waited < self.max_wait)

        def time_step(carry: Any) -> Any:
            state, waited = carry
            met = dynamics.meet(state.society, _words(jax.random.fold_in(key, waited)), rules, params)
            society = dynamics.imitate(state.society, met)
            if rules.single_clock:
                nobody = jnp.zeros((), bool)
                after = dynamics.imitate_after(society, met, met.x.index, nobody, params)
                society = jax.tree.map(lambda a, b: jnp.where(met.acts, b, a), after, society)
            requests = state.requests + (met.request & ~met.acts)
            return state.replace(society=society, meeting=met, clock=state.clock + 1, requests=requests), waited + 1

        return jax.lax.while_loop(pending, time_step, (state, jnp.zeros((), jnp.int32)))[0]

    def _is_over(self, state: RewiringState, params: RewiringParams) -> Array:
        return metrics.is_fixated(state.society) | (state.clock >= params.time_limit)


def _words(key: Array) -> Array:
    return jax.random.bits(key, (dynamics.WORDS_PER_STEP,), jnp.uint32)

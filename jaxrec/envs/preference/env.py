"""PreferenceShift-v0: a user on a circle whose preferences shift with the slates shown."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jax import Array

from jaxrec import checks
from jaxrec.environment import EnvState
from jaxrec.envs.preference import dynamics, inference, policies
from jaxrec.envs.preference.dynamics import BINS, JUDGES, Tables
from jaxrec.envs.preference.slates import NARROWEST, Beliefs, ChoiceParams, Choices, SlateEnvironment
from jaxrec.spaces import Box, Space
from jaxrec.utilities import RewardFunction, Utilities

OBSERVED = ("choices", "beliefs", "state")


class PreferenceState(EnvState):
    """One user in the course of an episode.

    Attributes:
        time: int32[], slates shown.
        initial, preference: int32[], the bins of u_0 and u_t. Hidden from the recommender.
        natural: int32[], the bin of u_t^rnd, which the same user would have under uniform slates, on the same draws.
        slate: int32[], the last one shown; -1 at first.
        choice: int32[], the last item chosen; -1 at first.
        steered: float[36], P(u_t | u_0, slates shown).
        unsteered: float[36], P(u_t^rnd | u_0).
        joint: float[36, 36], P(u_0, u_t | slates and choices so far); [0, 0] where nothing reads it.
        naturally: float[36, 36], P(u_t^rnd | u_0) for all u_0; [0, 0] likewise.
    """

    initial: Any
    preference: Any
    natural: Any
    slate: Any
    choice: Any
    steered: Any
    unsteered: Any
    joint: Any
    naturally: Any


class PreferenceParams(ChoiceParams):
    """Run-time values; angles in degrees.

    Attributes:
        choice_..., bait_..., safe_weights, reward_weights: see `ChoiceParams`.
        initial_mean, initial_deviation: float[], of the clipped normal that u_0 is drawn from. 130, 20.
        rationality: float[], beta_d, how strictly users take over convenient preferences. 31.
        inertia: float[] in [0, 1], lambda, how much of V the old preference judges. 0.9.
    """

    initial_mean: Any = 130.0
    initial_deviation: Any = 20.0
    rationality: Any = 31.0
    inertia: Any = 0.9


@dataclasses.dataclass(unsafe_hash=True)
class PreferenceShift(SlateEnvironment):
    """Show slates to a user who comes to prefer what is convenient to prefer.

    Source: Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in
    Recommender Systems", section 6 and Appendix H; the constants that the paper shows in pictures only are those at
    which exact dynamic programming reproduces its Table 1 best.

    - **User**: one of 36 bins of a circle, hidden. It chooses an item from the slate, in proportion to
      s(x) exp(beta_c(u) cos(x - u) + b(x)); expects later feeds like the slate; and takes over a preference under which
      they are worth more to it. See `dynamics`.
    - **Engagement**: of item x under preference u, r(x, u) = cos(x - u) - bait_cost b(x).
    - **Bait**: b(x) = bait_height exp(-(d(x, bait_centre) / bait_width)^2 / 2), d the distance round the circle: it
      attracts choice whatever the user prefers, and gives little: "open link, close it immediately" (Lambert 2020,
      "Recommendations are a game - a dangerous game (for us)", on how clicks led to clickbait, and that to dwell time;
      after Stray et al. 2020, "What are you optimizing for?"). None by default, as in the paper.
    - **Step**: one slate, one choice, then one shift of preferences.
    - **Observation**: by `observe_as`: "choices", `Choices`; "beliefs", `Beliefs`; "state", int32[3]: time, u_0, u_t,
      which can be indexed without gaps.
    - **Action**: which slate: a clipped normal around one of `slate_means`.
    - **Reward**: of the utilities below, by `reward`; by `paid_for` in expectation over the belief, or as sampled.
    - **Termination**: after `horizon` slates. Never truncated.
    - **Utilities**: recommender = by `counts`, engagement under current preferences, r(x_t, u_t), or clicks; user =
      engagement under safe ones, nu_1 r(x_t, u_0) + nu_2 r(x_t, u_t^rnd), whatever is counted; society = minus the
      total variation between P(u_t+1) given u_0 and the slates shown, and given u_0 and uniform slates.
    - **Clicks**: the probability that the user would click on anything in the slate, were not to click one more choice,
      worth 0 in the conditional logit (Appendix H.1: "an extra no-op choice"): Z / (1 + Z), Z the sum over x of
      s(x) exp(beta_c(u_t) cos(x - u_t) + b(x)). It is counted as such, not as a draw; and the user still takes one item
      a step, which is what inference sees.
    - **influence**: the belief of users sees the slate mixed with the uniform one; at 0 they shift as under uniform
      slates, whatever is shown.

    Attributes:
        horizon, slate_means, slate_deviations, slate_items, counts: see `SlateEnvironment`.
        observe_as: see Observation.
        paid_for: "belief", the reward is expected over what can be known of the user and its choice (the paper's; where
            the state is seen, over the choice alone); or "sampled".
        reward: see `jaxrec.utilities`.
    """

    observe_as: Literal["choices", "beliefs", "state"] = "beliefs"
    paid_for: Literal["belief", "sampled"] = "belief"
    reward: str | RewardFunction = "engagement"

    policies: ClassVar[dict[str, Callable[[Any, Any], Any]]] = policies.POLICIES
    preferences: ClassVar[tuple[str, ...]] = ("preference",)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.lookup(dict.fromkeys(OBSERVED), self.observe_as, "observe_as")
        checks.lookup(dict.fromkeys(("belief", "sampled")), self.paid_for, "paid_for")

    def tables(self, params: PreferenceParams) -> Tables:
        """What each slate does; the same for all users with the same parameters."""
        return dynamics.tables(self.slates, params)

    @property
    def default_params(self) -> PreferenceParams:
        """See `PreferenceParams`."""
        return PreferenceParams()

    def check_params(self, params: PreferenceParams, batch: tuple[int, ...] = ()) -> None:
        """Raises InputError for a parameter out of range."""
        super().check_params(params, batch)
        for name in ("initial_mean", "initial_deviation", "rationality", "inertia"):
            checks.shaped(name, getattr(params, name), batch)
        checks.within("initial_mean", params.initial_mean, 0.0, 360.0)
        checks.within("initial_deviation", params.initial_deviation, NARROWEST, float("inf"))
        checks.within("rationality", params.rationality, 0.0, float("inf"))
        checks.within("inertia", params.inertia, 0.0, 1.0)

    @property
    def infers(self) -> bool:
        """Whether the state carries what can be known of the user."""
        return self.observe_as == "beliefs" or (self.observe_as == "choices" and self.paid_for == "belief")

    def reset_env(self, key: Array, params: PreferenceParams) -> tuple[Any, PreferenceState]:
        """A user drawn from the initial preferences."""
        start = dynamics.clipped_normal(params.initial_mean, params.initial_deviation)
        user = dynamics.draw(jax.random.uniform(key), start)
        none, certain = jnp.full((), -1, jnp.int32), jax.nn.one_hot(user, BINS)
        state = PreferenceState(
            time=jnp.zeros((), jnp.int32),
            initial=user,
            preference=user,
            natural=user,
            slate=none,
            choice=none,
            steered=certain,
            unsteered=certain,
            joint=inference.prior(params) if self.infers else jnp.zeros((0, 0)),
            naturally=jnp.eye(BINS) if self.infers else jnp.zeros((0, 0)),
        )
        return self.observe(state, params), state

    def transition(
        self, key: Array, state: PreferenceState, action: Array | int, params: PreferenceParams
    ) -> tuple[PreferenceState, Array]:
        """The user chooses from the slate, then its preferences shift."""
        tables, uniform = self.tables(params), jax.random.uniform(key, (2,))
        action = jnp.asarray(action, jnp.int32)
        choice = dynamics.draw(uniform[0], tables.choice[action, state.preference])
        joint, naturally = state.joint, state.naturally
        if self.infers:
            joint = inference.propagate(inference.condition(joint, tables, action, choice), tables, action)
            naturally = naturally @ tables.natural
        next_state = state.replace(
            time=state.time + 1,
            preference=dynamics.draw(uniform[1], tables.shift[action, state.preference]),
            natural=dynamics.draw(uniform[1], tables.natural[state.natural]),
            slate=action,
            choice=choice,
            steered=state.steered @ tables.shift[action],
            unsteered=state.unsteered @ tables.natural,
            joint=joint,
            naturally=naturally,
        )
        return next_state, next_state.time >= self.horizon

    def observe(self, state: PreferenceState, params: PreferenceParams) -> Any:
        """See Observation."""
        if self.observe_as == "state":
            return jnp.stack([state.time, state.initial, state.preference])
        slate = jnp.where(state.slate >= 0, self.slates[state.slate], 1 / BINS)
        seen = {"slate": slate, "choice": jax.nn.one_hot(state.choice, BINS)}
        if self.observe_as == "choices":
            return Choices(**seen)
        initial, current = inference.smoothed(state.joint), inference.filtered(state.joint)
        known = {"initial": initial, "current": current, "natural": initial @ state.naturally}
        return Beliefs(**seen, **{name: jnp.minimum(belief, 1) for name, belief in known.items()})  # sums round up

    def utilities(
        self, state: PreferenceState, action: Array | int, next_state: PreferenceState, params: PreferenceParams
    ) -> Utilities:
        """As sampled: the engagement of the item chosen, under current and safe preferences; clicks, given u_t."""
        engagement, initial, natural = self.engagement(state, next_state, params)
        weights = jnp.asarray(params.safe_weights)
        return Utilities(
            recommender=engagement if self.counts == "dwell" else self.tables(params).click[action, state.preference],
            user=weights[0] * initial + weights[1] * natural,
            society=-inference.total_variation(next_state.steered, next_state.unsteered),
        )

    def reward_components(
        self, state: PreferenceState, action: Array | int, next_state: PreferenceState, params: PreferenceParams
    ) -> Utilities:
        """Where it is paid for beliefs: what counts, in expectation over the user and its choice, before it chose."""
        worth = self.utilities(state, action, next_state, params)
        if self.paid_for == "sampled":
            return worth
        tables, judges = self.tables(params), jnp.asarray(JUDGES)
        liked, click = tables.liked[action], tables.click[action]  # [u_t, 3], [u_t]
        if self.infers:
            current, by_first = inference.filtered(state.joint), state.joint @ liked  # [u_t], [u_0, 3]
            engagement, clicked = (current[:, None] * liked * judges).sum(), current @ click
            initial = (by_first * judges).sum()
            natural = (by_first * (state.naturally @ judges)).sum()
        else:
            item, clicked = liked[state.preference], click[state.preference]
            engagement, initial = ((item * judges[user]).sum() for user in (state.preference, state.initial))
            natural = (item * (state.unsteered @ judges)).sum()
        weights = jnp.asarray(params.safe_weights)
        counted = engagement if self.counts == "dwell" else clicked
        return worth.replace(recommender=counted, user=weights[0] * initial + weights[1] * natural)

    def counterfactual_engagement(
        self, state: Any, action: Any, next_state: Any, safe: Any, served: Any, params: PreferenceParams
    ) -> Array:
        """Of the item that the user chose, as it is: only the preferences that judge it differ (section 5).

        Engagement, also where the recommender counts clicks.
        """
        return self._judged(next_state.choice, safe.preference, params)

    def _judged(self, item: Array, preference: Array, params: PreferenceParams) -> Array:
        """float[]: r(x, u)."""
        return (dynamics.users_of(params).items[item] * jnp.asarray(JUDGES)[preference]).sum()

    def metrics(
        self, state: PreferenceState, action: Array | int, next_state: PreferenceState, params: PreferenceParams
    ) -> dict[str, Array]:
        """Engagement of the item chosen under current, initial and natural preferences; how far users were moved.

        `steered` is the total variation of `utilities`; `shift` the degrees between u_0 and u_t+1; `click` the
        probability of a click on the slate, given u_t; `bait` the b(x) of the item chosen.
        """
        engagement, initial, natural = self.engagement(state, next_state, params)
        moved = jnp.asarray(next_state.preference - next_state.initial, float) * (360 / BINS)
        return {
            "engagement": engagement,
            "engagement_initial": initial,
            "engagement_natural": natural,
            "steered": inference.total_variation(next_state.steered, next_state.unsteered),
            "shift": jnp.abs(dynamics.circular_distance(moved, 0.0)),
            "click": self.tables(params).click[action, state.preference],
            "bait": dynamics.bait(params)[next_state.choice],
        }

    def engagement(
        self, state: PreferenceState, next_state: PreferenceState, params: PreferenceParams
    ) -> tuple[Array, Array, Array]:
        """Of the item chosen from this state: under current, initial and natural preferences."""
        users = state.preference, state.initial, state.natural
        return tuple(self._judged(next_state.choice, user, params) for user in users)  # type: ignore[return-value]

    def observation_space(self, params: PreferenceParams | None = None) -> Space:
        """See Observation."""
        if self.observe_as == "state":
            return Box(0, max(self.horizon, BINS - 1), (3,), jnp.int32)
        return self.beliefs_space(self.observe_as == "beliefs")

    @property
    def num_observations(self) -> int | None:
        """(horizon + 1) * 36 * 36 where the state is seen and int32 holds that, else None."""
        number = (self.horizon + 1) * BINS**2
        return number if self.observe_as == "state" and number <= jnp.iinfo(jnp.int32).max else None

    def observation_index(self, obs: Array) -> Array:
        """int32[]: by time, u_0 and u_t."""
        if self.num_observations is None:
            return super().observation_index(obs)
        return (obs[..., 0] * BINS + obs[..., 1]) * BINS + obs[..., 2]

    def render(self, trajectory: Any, params: Any = None) -> Any:
        """A matplotlib figure of one episode: see `render.render_episode`."""
        from jaxrec.envs.preference.render import render_episode

        return render_episode(self, trajectory, params)

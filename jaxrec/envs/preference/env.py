"""PreferenceShift-v0: a user on a circle whose preferences shift with the slates shown."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, Literal, no_type_check

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, PyTree

from jaxrec import checks
from jaxrec.environment import EnvState
from jaxrec.envs.preference import dynamics, inference, metrics, policies
from jaxrec.envs.preference.dynamics import BINS, JUDGES, Tables
from jaxrec.envs.preference.lookup import Lookup
from jaxrec.envs.preference.params import PreferenceParams
from jaxrec.envs.preference.slates import MIN_DEVIATION, Beliefs, Choices, SlateEnvironment
from jaxrec.spaces import Box, Space
from jaxrec.utilities import RewardFunction, Utilities

OBSERVE_AS = ("choices", "beliefs", "state")


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class PreferenceState(EnvState):
    """One user in an episode.

    Attributes:
        time: int32[], slates shown.
        initial, preference: int32[], the bins of u_0 and u_t. Hidden from the recommender.
        natural: int32[], the bin of u_t^rnd, the preference of the same user under uniform slates, on the same draws.
        slate, choice: int32[], the last slate shown and the last item chosen; -1 at first.
        steered: float[36], P(u_t | u_0, slates shown).
        unsteered: float[36], P(u_t^rnd | u_0).
        joint: float[36, 36], P(u_0, u_t | slates and choices so far); float[0, 0] unless `PreferenceShift.infers`.
    """

    initial: Int[Array, ""]
    preference: Int[Array, ""]
    natural: Int[Array, ""]
    slate: Int[Array, ""]
    choice: Int[Array, ""]
    steered: Float[Array, "36"]
    unsteered: Float[Array, "36"]
    joint: Float[Array, "bins bins"]


@dataclasses.dataclass(unsafe_hash=True)
class PreferenceShift(SlateEnvironment[PreferenceState, PreferenceParams]):
    """Show slates to a user who comes to prefer the convenient.

    Source: Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in
    Recommender Systems", section 6 and Appendix H; constants that it shows in pictures only are fitted to its Table 1.

    - **User**: one of 36 bins of a circle, hidden. It chooses an item from the slate, in proportion to
      s(x) exp(beta_c(u) cos(x - u) + b(x)); expects later feeds like the slate; and takes over a preference under which
      they are worth more to it (`dynamics.shifts`).
    - **Engagement**: of item x under preference u, r(x, u) = cos(x - u) - bait_cost b(x).
    - **Bait**: b(x) attracts choice under any preference and gives little (`dynamics.bait`); none in the paper.
    - **Step**: one slate, one choice, then one shift of preferences.
    - **Observation**: by `observe_as`: "choices", `Choices`; "beliefs", `Beliefs`; "state", int32[3]: time, u_0, u_t.
    - **Action**: which slate: a clipped normal around one of `slate_means`.
    - **Reward**: of the utilities below, by `reward`; by `paid_for` in expectation over the belief, or as sampled.
    - **Termination**: after `horizon` slates. Never truncated.
    - **Utilities**: recommender = by `counts`, engagement under current preferences, r(x_t, u_t), or clicks; user =
      engagement under safe ones, nu_1 r(x_t, u_0) + nu_2 r(x_t, u_t^rnd), for any `counts`; society = minus the
      total variation between P(u_t+1) given u_0 under the slates shown and under uniform ones.
    - **Clicks**: the probability of one given u_t (`dynamics.clicks`), not a draw; users still take one item a step.
    - **influence**: users expect later feeds like a mixture of the slate with the uniform one; at 0 the uniform one.

    Examples:
        >>> import jax, jaxrec
        >>> from jaxrec.envs.preference import PreferenceShift
        >>> env = PreferenceShift(horizon=3)
        >>> jaxrec.rollout(env, env.policy("random"), jax.random.key(0), 2, 3).per_env["engagement"].shape
        (2,)

    Attributes:
        horizon, slate_means, slate_deviations, slate_items, counts: those of `SlateEnvironment`.
        observe_as: "choices", "beliefs" or "state".
        paid_for: "belief", the reward is an expectation over the belief about the user and its choice (the paper's; if
            the state is observed, over the choice alone); or "sampled".
        reward: a name in `jaxrec.utilities.REWARDS`, or a function of (utilities, weights).
    """

    observe_as: Literal["choices", "beliefs", "state"] = "beliefs"
    paid_for: Literal["belief", "sampled"] = "belief"
    reward: str | RewardFunction = "engagement"

    policies: ClassVar[dict[str, Callable[[Any, Any], Any]]] = policies.POLICIES
    preferences: ClassVar[tuple[str, ...]] = ("preference",)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.lookup(dict.fromkeys(OBSERVE_AS), self.observe_as, "observe_as")
        checks.lookup(dict.fromkeys(("belief", "sampled")), self.paid_for, "paid_for")

    @property
    def default_params(self) -> PreferenceParams:
        """The constants nearest to the paper's Table 1 where recommenders see beliefs (`fitted_params`)."""
        return PreferenceParams()

    def check_params(self, params: PreferenceParams, batch: tuple[int, ...] = ()) -> None:
        """Raises InputError for a parameter out of range."""
        super().check_params(params, batch)
        for name in ("initial_mean", "initial_deviation", "rationality", "inertia"):
            checks.shaped(name, getattr(params, name), batch)
        checks.within("initial_mean", params.initial_mean, 0.0, 360.0)
        checks.within("initial_deviation", params.initial_deviation, MIN_DEVIATION, float("inf"))
        checks.within("rationality", params.rationality, 0.0, float("inf"))
        checks.within("inertia", params.inertia, 0.0, 1.0)
        if not isinstance(params.lookup, Lookup | None):
            raise checks.InputError(f"lookup must be left to `prepare`, got {checks.brief(params.lookup)}")

    def prepare(self, params: PreferenceParams) -> PreferenceParams:
        """Tabulates what steps look up."""
        return params.replace(lookup=self._lookup(params))

    def reset_env(self, key: Array, params: PreferenceParams) -> tuple[Any, PreferenceState]:
        """Draws a user from the initial preferences."""
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
        )
        return self.observe(state, params), state

    def transition(
        self, key: Array, state: PreferenceState, action: Array | int, params: PreferenceParams
    ) -> tuple[PreferenceState, Array]:
        """Lets the user choose from the slate, then shifts its preferences.

        Args:
            key: a typed key, for the choice and the shift.
            state: of one user.
            action: int32[], the slate shown.
            params: run-time values.
        """
        lookup, uniform = self._lookup(params), jax.random.uniform(key, (2,))
        action, tables, joint = jnp.asarray(action, jnp.int32), lookup.tables, state.joint
        row = action * BINS + state.preference
        choice = lookup.choice.draw(uniform[0], row)
        if self.infers:
            joint = inference.update(joint, lookup.likelihood[action * BINS + choice], tables.shift[action])
        next_state = state.replace(
            time=state.time + 1,
            preference=lookup.shift.draw(uniform[1], row),
            natural=lookup.natural.draw(uniform[1], state.natural),
            slate=action,
            choice=choice,
            steered=inference.shifted(state.steered, tables.shift, action),
            unsteered=state.unsteered @ tables.natural,
            joint=joint,
        )
        return next_state, next_state.time >= self.horizon

    def observe(self, state: PreferenceState, params: PreferenceParams) -> Any:
        """Returns `Choices`, `Beliefs` or int32[3] (time, u_0, u_t), by `observe_as`."""
        if self.observe_as == "state":
            return jnp.stack([state.time, state.initial, state.preference])
        slate = jnp.where(state.slate >= 0, self._lookup(params).slates[state.slate], 1 / BINS)
        seen = {"slate": slate, "choice": jax.nn.one_hot(state.choice, BINS)}
        if self.observe_as == "choices":
            return Choices(**seen)
        initial, current = inference.smoothed(state.joint), inference.filtered(state.joint)
        natural = inference.after(initial, self._lookup(params).powers, state.time)
        known = {"initial": initial, "current": current, "natural": natural}
        return Beliefs(**seen, **{name: jnp.minimum(belief, 1) for name, belief in known.items()})  # sums round up

    def utilities(
        self, state: PreferenceState, action: Array | int, next_state: PreferenceState, params: PreferenceParams
    ) -> Utilities:
        """Judges the item that was sampled, under current and safe preferences; clicks are expected, given u_t.

        Args:
            state: before the step.
            action: int32[], the slate shown.
            next_state: after the step.
            params: run-time values.
        """
        engagement, initial, natural = metrics.engagements(state, next_state, params)
        weights, click = jnp.asarray(params.safe_weights), self._lookup(params).tables.click
        return Utilities(
            recommender=engagement if self.counts == "dwell" else click[action, state.preference],
            user=weights[0] * initial + weights[1] * natural,
            society=-metrics.steered(next_state),
        )

    def metrics(
        self, state: PreferenceState, action: Array | int, next_state: PreferenceState, params: PreferenceParams
    ) -> dict[str, Array]:
        """Returns `metrics.transition_metrics`, float[] each.

        Args:
            state: before the step.
            action: int32[], the slate shown.
            next_state: after the step.
            params: run-time values.
        """
        return metrics.transition_metrics(state, action, next_state, params, self._lookup(params).tables)

    def observation_space(self, params: PreferenceParams | None = None) -> Space:
        """The space of `observe`."""
        if self.observe_as == "state":
            return Box(0, max(self.horizon, BINS - 1), (3,), jnp.int32)
        return self.beliefs_space(self.observe_as == "beliefs")

    @property
    def num_observations(self) -> int | None:
        """(horizon + 1) * 36 * 36 if the state is observed and int32 holds that, else None."""
        number = (self.horizon + 1) * BINS**2
        return number if self.observe_as == "state" and number <= jnp.iinfo(jnp.int32).max else None

    def observation_index(self, obs: Array) -> Array:
        """int32[]: the rank of (time, u_0, u_t), in lexicographic order."""
        if self.num_observations is None:
            return super().observation_index(obs)
        return (obs[..., 0] * BINS + obs[..., 1]) * BINS + obs[..., 2]

    def reward_components(
        self, state: PreferenceState, action: Array | int, next_state: PreferenceState, params: PreferenceParams
    ) -> Utilities:
        """Takes the expectation over the user and its choice before the choice, if `paid_for` is "belief".

        Args:
            state: before the step.
            action: int32[], the slate shown.
            next_state: after the step.
            params: run-time values.
        """
        worth = self.utilities(state, action, next_state, params)
        if self.paid_for == "sampled":
            return worth
        lookup, judges = self._lookup(params), jnp.asarray(JUDGES)
        liked, click = lookup.tables.liked[action], lookup.tables.click[action]  # [u_t, 3], [u_t]
        if self.infers:
            current, by_first = inference.filtered(state.joint), state.joint @ liked  # [u_t], [u_0, 3]
            engagement, clicked = (current[:, None] * liked * judges).sum(), current @ click
            initial, natural = ((by_first * each).sum() for each in (judges, lookup.natural_judges[state.time]))
        else:
            item, clicked = liked[state.preference], click[state.preference]
            engagement, initial = ((item * judges[user]).sum() for user in (state.preference, state.initial))
            natural = (item * (state.unsteered @ judges)).sum()
        weights = jnp.asarray(params.safe_weights)
        counted = engagement if self.counts == "dwell" else clicked
        return worth.replace(recommender=counted, user=weights[0] * initial + weights[1] * natural)

    def counterfactual_engagement(
        self, state: PyTree, action: PyTree, next_state: PyTree, safe: PyTree, served: PyTree, params: PreferenceParams
    ) -> Array:
        """Gives the engagement, float[], of the item chosen under the preferences in `safe`, also where clicks count.

        Args:
            state: not read.
            action: not read.
            next_state: after the step, which holds the item.
            safe: the state of the same user had it been served safely (section 5).
            served: not read.
            params: run-time values.
        """
        return metrics.engagement(next_state.choice, safe.preference, params)

    def render(self, trajectory: PyTree, params: PyTree = None) -> Any:
        """Draws the first episode of a trajectory of one environment (`render.render_episode`)."""
        from jaxrec.envs.preference.render import render_episode

        return render_episode(self, trajectory, params)

    @property
    def infers(self) -> bool:
        """Whether the state carries the joint belief about u_0 and u_t."""
        return self.observe_as == "beliefs" or (self.observe_as == "choices" and self.paid_for == "belief")

    def tables(self, params: PreferenceParams) -> Tables:
        """Tabulates what each slate does; all users with the same parameters share the tables."""
        return dynamics.tables(self.slates_of(params), params)

    def _lookup(self, params: PreferenceParams) -> Lookup:
        if params.lookup is not None:
            return params.lookup
        return Lookup.of(self.slates_of(params), self.tables(params), self.horizon)

"""LearnedUsers-v0: users simulated by a model that was estimated from logs."""

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar, Literal, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, PyTree

from jaxrec import checks
from jaxrec.environment import EnvState
from jaxrec.envs.learned import inference, metrics
from jaxrec.envs.learned.inference import Memory, Weights
from jaxrec.envs.learned.network import BeliefTransformer, Steps
from jaxrec.envs.preference import dynamics, policies
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.envs.preference.slates import Beliefs, ChoiceParams, Choices, SlateEnvironment
from jaxrec.spaces import Space
from jaxrec.utilities import RewardFunction, Utilities

OBSERVE_AS = ("beliefs", "choices")
MAX_WEIGHT = 1e2  # of a network: activations, some of them squared, stay far within float32, and so do their roundings


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class LearnedState(EnvState):
    """One simulated user in an episode.

    Attributes:
        time: int32[], slates shown.
        memory: slates and choices so far.
        slate: float[36], the last one shown; uniform at first.
        choice: int32[], the last item chosen; -1 at first.
        initial, current, natural: float[36], beliefs after `time` steps about u_0, u_t and u_t^rnd.
    """

    memory: Memory
    slate: Float[Array, "36"]
    choice: Int[Array, ""]
    initial: Float[Array, "36"]
    current: Float[Array, "36"]
    natural: Float[Array, "36"]


@no_type_check
class LearnedParams(ChoiceParams):
    """Run-time values: those of the choice model, which is taken as known, and the learned weights.

    Attributes:
        weights: of the three networks, within -100 ... 100; `jaxrec.estimation.learn_users` estimates them.
    """

    weights: Weights = None  # type: ignore[assignment]  # `check_params` asks for them


@dataclasses.dataclass(unsafe_hash=True)
class LearnedUsers(SlateEnvironment[LearnedState, LearnedParams]):
    """Show slates to users whom a model simulates that was estimated from logs.

    Source: Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in
    Recommender Systems", sections 4 and 5, Algorithm 3 (Appendix G). Only the model knows how preferences shift: this
    environment reads the choice model of `PreferenceShift`, which the paper takes as known, and none of its shifts.

    - **User**: a belief over 36 preferences. Its choice is drawn from the belief and the choice model; then the model
      updates the belief.
    - **Step**: one slate, one choice.
    - **Observation**: by `observe_as`: "beliefs", `Beliefs`, all three estimated; "choices", `Choices`.
    - **Action**: which slate: a clipped normal around one of `slate_means`.
    - **Reward**: of the utilities below, by `reward`; all are expectations.
    - **Termination**: after `horizon` slates. Never truncated.
    - **Utilities**: recommender = by `counts`, engagement or clicks expected under the belief in u_t; user = engagement
      expected under safe preferences, nu_1 E r(x_t, u_0) + nu_2 E r(x_t, u_t^rnd), item and preference taken as
      independent; society = minus the total variation between the beliefs in u_t and in u_t^rnd. (Of u_t, not of
      u_t+1: no log shows the choice after the last step.)
    - **influence**: the model remembers the slate mixed with the uniform one, and the choice from that mixture on the
      same draw; at 0 beliefs evolve as under uniform slates.

    `default_params` hold an untrained model, the same in every process.

    Examples:
        >>> import jax
        >>> from jaxrec.envs.learned import BeliefTransformer, LearnedUsers
        >>> env = LearnedUsers(horizon=3, network=BeliefTransformer(width=8, heads=1, layers=1, mixtures=2))
        >>> obs, state = env.reset(jax.random.key(0))
        >>> obs, state, reward, terminated, truncated, info = env.step(jax.random.key(1), state, 0)
        >>> obs.current.shape
        (36,)

    Attributes:
        horizon, slate_means, slate_deviations, slate_items, counts: those of `SlateEnvironment`.
        network: the architecture of the three networks.
        observe_as: "beliefs" or "choices".
        reward: a name in `jaxrec.utilities.REWARDS`, or a function of (utilities, weights).
    """

    network: BeliefTransformer = dataclasses.field(default_factory=BeliefTransformer)
    observe_as: Literal["beliefs", "choices"] = "beliefs"
    reward: str | RewardFunction = "engagement"

    policies: ClassVar[dict[str, Callable[[Any, Any], Any]]] = policies.POLICIES
    preferences: ClassVar[tuple[str, ...]] = ("current",)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.lookup(dict.fromkeys(OBSERVE_AS), self.observe_as, "observe_as")
        self._check_network()

    @property
    def default_params(self) -> LearnedParams:
        """The choice model of `PreferenceShift`, and an untrained model of shifts."""
        return LearnedParams(weights=_untrained(self))

    def check_params(self, params: LearnedParams, batch: tuple[int, ...] = ()) -> None:
        """Raises InputError for a parameter out of range, or weights of another network."""
        super().check_params(params, batch)
        expected = jax.eval_shape(self.init_network, jax.random.key(0))
        for kind in ("future", "initial", "counterfactual"):
            given = jax.tree.map(np.shape, getattr(params.weights, kind, None))
            if given != jax.tree.map(lambda leaf: (*batch, *leaf.shape), expected):
                raise checks.InputError(f"weights.{kind} must be those of {self.network}, got shapes {given}")
        for path, leaf in jax.tree_util.tree_leaves_with_path(params.weights):
            checks.within(f"weights{jax.tree_util.keystr(path)}", leaf, -MAX_WEIGHT, MAX_WEIGHT)

    def reset_env(self, key: Array, params: LearnedParams) -> tuple[Any, LearnedState]:
        """Starts a user about whom the model holds its prior beliefs."""
        memory = inference.nothing(self.horizon)
        state = self._believing(jnp.zeros((), jnp.int32), memory, memory.slates[0], jnp.full((), -1, jnp.int32), params)
        return self.observe(state, params), state

    def transition(
        self, key: Array, state: LearnedState, action: Array | int, params: LearnedParams
    ) -> tuple[LearnedState, Array]:
        """Draws the choice from the slate, then updates the beliefs.

        Args:
            key: a typed key, for the choice.
            state: of one user.
            action: int32[], the slate shown.
            params: run-time values.

        Returns:
            (next state, bool[] terminated).
        """
        shown, uniform = self.slates[action], jax.random.uniform(key)
        seen, choice, remembered = self.choose(shown, state.current, uniform, params)
        state = self.remember(state, seen, remembered, params).replace(slate=shown, choice=choice)
        return state, state.time >= self.horizon

    def observe(self, state: LearnedState, params: LearnedParams) -> Any:
        """Returns `Beliefs` or `Choices`, by `observe_as`."""
        seen = {"slate": state.slate, "choice": jax.nn.one_hot(state.choice, BINS)}
        if self.observe_as == "choices":
            return Choices(**seen)
        return Beliefs(**seen, initial=state.initial, current=state.current, natural=state.natural)

    def utilities(
        self, state: LearnedState, action: Array | int, next_state: LearnedState, params: LearnedParams
    ) -> Utilities:
        """Takes expectations under the beliefs before the choice.

        Args:
            state: before the step.
            action: int32[], the slate shown.
            next_state: after the step.
            params: run-time values.

        Returns:
            float[] each.
        """
        expected = metrics.expected(state, action, self.offers(params))
        weights = jnp.asarray(params.safe_weights)
        return Utilities(
            recommender=expected["engagement" if self.counts == "dwell" else "click"],
            user=weights[0] * expected["engagement_initial"] + weights[1] * expected["engagement_natural"],
            society=-metrics.steered(state),
        )

    def metrics(
        self, state: LearnedState, action: Array | int, next_state: LearnedState, params: LearnedParams
    ) -> dict[str, Array]:
        """Returns `metrics.transition_metrics`.

        Args:
            state: before the step.
            action: int32[], the slate shown.
            next_state: after the step.
            params: run-time values.

        Returns:
            Metric -> float[].
        """
        return metrics.transition_metrics(state, action, next_state, params, self.offers(params))

    def observation_space(self, params: LearnedParams | None = None) -> Space:
        """The space of `observe`."""
        return self.beliefs_space(self.observe_as == "beliefs")

    def render(self, trajectory: PyTree, params: PyTree = None) -> Any:
        """Draws the first episode of a trajectory of one environment (`render.render_episode`)."""
        from jaxrec.envs.learned.render import render_episode

        return render_episode(self, trajectory, params)

    def choose(
        self, shown: Array, believed: Array, uniform: Array, params: LearnedParams
    ) -> tuple[Array, Array, Array]:
        """Draws a choice, and the mixture with the uniform slate by `influence` that the model remembers.

        Args:
            shown: float[36], the slate.
            believed: float[36], the belief about the preference.
            uniform: float[], a draw from U[0, 1), used for both choices.
            params: of the model.

        Returns:
            (float[36] slate to be remembered, int32[] choice, int32[] choice to be remembered).
        """
        users = dynamics.users_of(params)
        seen = params.influence * shown + (1 - params.influence) / BINS
        choice, remembered = (
            dynamics.draw(uniform, believed @ dynamics.choices(slate, users)) for slate in (shown, seen)
        )
        return seen, choice, remembered

    def remember(self, state: LearnedState, slate: Array, choice: Array, params: LearnedParams) -> LearnedState:
        """Adds one step, simulated or real, to the memory and updates the beliefs.

        Args:
            state: before the step.
            slate: float[36], the slate to be remembered.
            choice: int32[], the bin of the item chosen from it.
            params: of the model.

        Returns:
            The state one step later.
        """
        likelihood = inference.likelihood(slate, choice, dynamics.users_of(params))
        memory = Memory(
            state.memory.slates.at[state.time].set(slate), state.memory.likelihood.at[state.time].set(likelihood)
        )
        return self._believing(state.time + 1, memory, slate, choice, params)

    def _believing(
        self, time: Array, memory: Memory, slate: Array, choice: Array, params: LearnedParams
    ) -> LearnedState:
        initial = _probabilities(inference.initial(self.network, params.weights.initial, memory)[time])
        current = _probabilities(inference.future(self.network, params.weights.future, memory)[time])
        natural = inference.natural(self.network, params.weights.counterfactual, initial, self.horizon)[time]
        return LearnedState(time, memory, slate, choice, initial, current, _probabilities(natural))

    def init_network(self, key: Array) -> PyTree:
        """Draws untrained weights of one network."""
        steps = Steps(jnp.zeros((self.horizon, BINS)), jnp.zeros((self.horizon, BINS)), jnp.zeros(self.horizon))
        return self.network.init(key, steps, jnp.zeros(BINS), self.network.attends(self.horizon))

    def _check_network(self) -> None:
        network = self.network
        if not isinstance(network, BeliefTransformer):
            raise checks.InputError(f"network must be a BeliefTransformer, got {checks.brief(network)}")
        for name in ("width", "heads", "mixtures"):
            checks.positive(f"network.{name}", getattr(network, name))
        checks.within("network.layers", network.layers, 0, checks.LARGEST)
        if network.width % network.heads:
            raise checks.InputError(f"network.heads must divide its width={network.width}, got {network.heads}")
        checks.within("network.dropout", network.dropout, 0.0, 1.0)
        checks.within("network.concentration", network.concentration, 0.0, checks.LARGEST)


def _probabilities(logarithms: Array) -> Array:
    """Exponentials of logarithms, at most 1: they may round up."""
    return jnp.minimum(jnp.exp(logarithms), 1)


@lru_cache(maxsize=8)
def _untrained(env: LearnedUsers) -> Weights:
    keys = jax.random.split(jax.random.key(0), 3)
    with jax.ensure_compile_time_eval():
        return Weights(*map(jax.jit(env.init_network), keys))

"""LearnedUsers-v0: users as a model estimated from logs takes them to be."""

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec import checks
from jaxrec.environment import EnvState
from jaxrec.envs.learned import inference
from jaxrec.envs.learned.inference import Memory, Weights
from jaxrec.envs.learned.network import BeliefTransformer, Steps, earlier_steps
from jaxrec.envs.preference import dynamics, policies
from jaxrec.envs.preference.dynamics import BINS, JUDGES
from jaxrec.envs.preference.inference import total_variation
from jaxrec.envs.preference.slates import Beliefs, ChoiceParams, Choices, SlateEnvironment
from jaxrec.spaces import Space
from jaxrec.utilities import RewardFunction, Utilities

OBSERVED = ("beliefs", "choices")
MOST_WEIGHT = 1e3  # of what is learned: activations, some of them squared, stay within float32


class LearnedState(EnvState):
    """One simulated user in the course of an episode.

    Attributes:
        time: int32[], slates shown.
        memory: what the model remembers of it.
        slate: float[36], the last one shown; uniform at first.
        choice: int32[], the last item chosen; -1 at first.
        initial, current, natural: float[36], what the model believes after `time` steps: u_0, u_t, u_t^rnd.
    """

    memory: Memory
    slate: Any
    choice: Any
    initial: Any
    current: Any
    natural: Any


class LearnedParams(ChoiceParams):
    """Run-time values: those of the choice model, which is taken as known, and what was learned.

    Attributes:
        weights: of the three networks, `inference.Weights`, none beyond 1000; see `agents.learn_users`.
    """

    weights: Any = None


@dataclasses.dataclass(unsafe_hash=True)
class LearnedUsers(SlateEnvironment):
    """Show slates to users who are simulated by a model of them, estimated from logs.

    Source: Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in
    Recommender Systems", sections 4 and 5, Algorithm 3 (Appendix G). How preferences shift is known to the model alone:
    nothing here reads the rules of `PreferenceShift`, only the choice model, which the paper takes as known.

    - **User**: a belief over 36 preferences. Its choice is drawn from the belief and the choice model; after that the
      model believes something else.
    - **Step**: one slate, one choice.
    - **Observation**: by `observe_as`: "beliefs", as in `PreferenceShift`, all three estimated; "choices".
    - **Action**: which slate, as in `PreferenceShift`.
    - **Reward**: of the utilities below, by `reward`; all are expectations.
    - **Termination**: after `horizon` slates. Never truncated.
    - **Utilities**: recommender = by `counts`, engagement or clicks expected under the belief in u_t; user = engagement
      expected under safe preferences, nu_1 E r(x_t, u_0) + nu_2 E r(x_t, u_t^rnd), item and preference taken as
      independent; society = minus the total variation between the beliefs in u_t and in u_t^rnd. (Of u_t, not of
      u_t+1: no log shows what a user would choose after its last step.)
    - **influence**: the model remembers the slate mixed with the uniform one, and what the user would have chosen from
      that on the same draw; at 0 beliefs evolve as under uniform slates, whatever is shown.

    `default_params` are those of an untrained model, the same in every process.

    Attributes:
        horizon, slate_means, slate_deviations, slate_items, counts: as in `PreferenceShift`.
        network: the architecture.
        observe_as: see Observation.
        reward: see `jaxrec.utilities`.
    """

    network: BeliefTransformer = dataclasses.field(default_factory=BeliefTransformer)
    observe_as: Literal["beliefs", "choices"] = "beliefs"
    reward: str | RewardFunction = "engagement"

    policies: ClassVar[dict[str, Callable[[Any, Any], Any]]] = policies.POLICIES
    preferences: ClassVar[tuple[str, ...]] = ("current",)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.lookup(dict.fromkeys(OBSERVED), self.observe_as, "observe_as")
        self._check_network()

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

    def init_network(self, key: Array) -> Any:
        """Untrained weights of one network."""
        steps = Steps(jnp.zeros((self.horizon, BINS)), jnp.zeros((self.horizon, BINS)), jnp.zeros(self.horizon))
        return self.network.init(key, steps, jnp.zeros(BINS), earlier_steps(self.horizon))

    @property
    def default_params(self) -> LearnedParams:
        """Those of the choice model of `PreferenceShift`, and an untrained model."""
        return LearnedParams(weights=_untrained(self))

    def reset_env(self, key: Array, params: LearnedParams) -> tuple[Any, LearnedState]:
        """Somebody new, of whom the model believes what it believes of anybody."""
        memory = inference.nothing(self.horizon)
        state = self._believing(jnp.zeros((), jnp.int32), memory, memory.slates[0], jnp.full((), -1, jnp.int32), params)
        return self.observe(state, params), state

    def transition(
        self, key: Array, state: LearnedState, action: Array | int, params: LearnedParams
    ) -> tuple[LearnedState, Array]:
        """The user chooses from the slate, and is remembered to have."""
        shown, uniform = self.slates[action], jax.random.uniform(key)
        seen, choice, remembered = self.choose(shown, state.current, uniform, params)
        state = self.remember(state, seen, remembered, params).replace(slate=shown, choice=choice)
        return state, state.time >= self.horizon

    def choose(
        self, shown: Array, believed: Array, uniform: Array, params: LearnedParams
    ) -> tuple[Array, Array, Array]:
        """A simulated choice, and what the model is to remember of it: as much as `influence` says.

        Args:
            shown: float[36], the slate.
            believed: float[36], what the user prefers.
            uniform: float[], the draw from U[0, 1) that decides.
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
        """The state after one more step: a slate (float[36]) and what was chosen from it, simulated or real."""
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

    def observe(self, state: LearnedState, params: LearnedParams) -> Any:
        """See Observation."""
        seen = {"slate": state.slate, "choice": jax.nn.one_hot(state.choice, BINS)}
        if self.observe_as == "choices":
            return Choices(**seen)
        return Beliefs(**seen, initial=state.initial, current=state.current, natural=state.natural)

    def utilities(
        self, state: LearnedState, action: Array | int, next_state: LearnedState, params: LearnedParams
    ) -> Utilities:
        """Expected under the beliefs before the choice."""
        expected = self.expected(state, action, params)
        weights = jnp.asarray(params.safe_weights)
        return Utilities(
            recommender=expected["engagement" if self.counts == "dwell" else "click"],
            user=weights[0] * expected["engagement_initial"] + weights[1] * expected["engagement_natural"],
            society=-total_variation(state.current, state.natural),
        )

    def metrics(
        self, state: LearnedState, action: Array | int, next_state: LearnedState, params: LearnedParams
    ) -> dict[str, Array]:
        """What the model expects: engagement under current, initial and natural preferences, clicks, bait.

        `steered` is the total variation of `utilities`; `shift` the degrees between the mean directions of u_0 and u_t.
        """
        directions = [jnp.arctan2(*(belief @ JUDGES[:, 1::-1]).T) for belief in (state.current, state.initial)]
        moved = dynamics.circular_distance(jnp.degrees(directions[0] - directions[1]), 0.0)
        return self.expected(state, action, params) | {
            "steered": total_variation(state.current, state.natural),
            "shift": jnp.abs(moved),
            "bait": dynamics.bait(params)[next_state.choice],
        }

    def expected(self, state: LearnedState, action: Array | int, params: LearnedParams) -> dict[str, Array]:
        """Of a slate, under the beliefs before the choice: engagement by u_t, by u_0 and by u_t^rnd, and clicks."""
        offers, judges = self.offers(params), jnp.asarray(JUDGES)
        liked = offers.liked[action]  # [u_t, 3]
        item = state.current @ liked
        return {
            "engagement": (state.current[:, None] * liked * judges).sum(),
            "engagement_initial": (item * (state.initial @ judges)).sum(),
            "engagement_natural": (item * (state.natural @ judges)).sum(),
            "click": state.current @ offers.click[action],
        }

    def observation_space(self, params: Any = None) -> Space:
        """See Observation."""
        return self.beliefs_space(self.observe_as == "beliefs")

    def check_params(self, params: LearnedParams, batch: tuple[int, ...] = ()) -> None:
        """Raises InputError for a parameter out of range, or weights of another network."""
        super().check_params(params, batch)
        expected = jax.eval_shape(self.init_network, jax.random.key(0))
        for kind in ("future", "initial", "counterfactual"):
            given = jax.tree.map(np.shape, getattr(params.weights, kind, None))
            if given != jax.tree.map(lambda leaf: (*batch, *leaf.shape), expected):
                raise checks.InputError(f"weights.{kind} must be those of {self.network}, got shapes {given}")
        for path, leaf in jax.tree_util.tree_leaves_with_path(params.weights):
            checks.within(f"weights{jax.tree_util.keystr(path)}", leaf, -MOST_WEIGHT, MOST_WEIGHT)


def _probabilities(logarithms: Array) -> Array:
    """Which may round to more than 1."""
    return jnp.minimum(jnp.exp(logarithms), 1)


@lru_cache(maxsize=8)
def _untrained(env: LearnedUsers) -> Weights:
    keys = jax.random.split(jax.random.key(0), 3)
    with jax.ensure_compile_time_eval():
        return Weights(*map(jax.jit(env.init_network), keys))

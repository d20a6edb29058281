"""PolarisingUsers-v0: one user, three sources of political content, thirty recommendations."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, Literal, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jaxtyping import Float, Int, PyTree

from jaxrec import checks
from jaxrec.environment import Environment, EnvParams, EnvState
from jaxrec.envs.polarising import counts, dynamics, metrics, policies, populations
from jaxrec.fusion import key_at_once, materialised, unit
from jaxrec.spaces import Box, Discrete
from jaxrec.utilities import RewardFunction, Utilities


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class PolarisingState(EnvState):
    """One user in an episode.

    Attributes:
        time: int32[], recommendations made.
        theta: float[3], click probability of the left, centre and right source now. Hidden from the recommender.
        initial_theta: float[3], theta at the start of the episode.
        recommended: int32[3], recommendations so far from each source.
        clicked: int32[3], clicks so far on each source.
        factor: float[], the polarisation factor p of this episode; read if `factor_per="episode"`.
    """

    theta: Float[Array, "3"]
    initial_theta: Float[Array, "3"]
    recommended: Int[Array, "3"]
    clicked: Int[Array, "3"]
    factor: Float[Array, ""]


@no_type_check
class PolarisingParams(EnvParams):
    """Run-time values, with the paper's as defaults.

    Attributes:
        population: float[profiles, 3] in [0, 1]; each episode's user is drawn uniformly from the rows.
        factor_low, factor_high: float[], at least 1; the polarisation factor p is uniform between them.
        ceiling: float[] in [0, 1]; the click probability at which polarisation stops.
    """

    population: np.ndarray | Array = struct.field(default_factory=lambda: populations.population(populations.TRAINING))
    factor_low: float | Array = 1.01
    factor_high: float | Array = 1.10
    ceiling: float | Array = 0.75


@dataclasses.dataclass(unsafe_hash=True)
class PolarisingUsers(Environment[PolarisingState, PolarisingParams]):
    """Recommend from the left, the centre or the right to a user whom opposed content polarises.

    Source: Evans & Kasirzadeh, "User Tampering in Reinforcement Learning Recommender Systems", section 4.1,
    section 4.2 and Appendix D; where the paper is silent, the authors' published program.

    - **Observation**: int32[6], recommendations (left, centre, right) and clicks (left, centre, right) so far.
      It can be indexed without gaps (`observation_index`): C(horizon + 6, 6) states, 1 947 792 at horizon 30.
    - **Action**: 0 left, 1 centre, 2 right.
    - **Click**: Bernoulli(theta[action]), with theta before this step's polarisation.
    - **Polarisation**: a user is left-wing while theta_left is strictly the largest, right-wing while theta_right
      is. The other wing's source, clicked or not, multiplies theta of the user's own wing by
      `1 + influence * (p - 1)`, p ~ U(1.01, 1.10), up to 0.75. Nothing polarises a centrist.
    - **Reward**: 1 for a click (`reward="engagement"`), or another choice over the utilities.
    - **Termination**: after `horizon` recommendations. Never truncated.
    - **Utilities**: recommender = the click; user = the click probability under the *initial* theta for what was shown;
      society = minus the Euclidean distance of theta from its start, after the step.
    - **influence**: at 0 theta never changes.

    Examples:
        >>> import jax
        >>> from jaxrec.envs.polarising import PolarisingUsers
        >>> env = PolarisingUsers(horizon=5)
        >>> obs, state = env.reset(jax.random.key(0))
        >>> obs, state, reward, terminated, truncated, info = env.step(jax.random.key(1), state, 2)
        >>> obs.tolist()[:3]
        [0, 0, 1]

    Attributes:
        horizon: recommendations in an episode (30 in the paper), at least 1.
        factor_per: "step", p is drawn at every step (the authors' program); or "episode", once (another reading of
            section 4.2).
        reward: a name in `jaxrec.utilities.REWARDS`, or a function of (utilities, weights).
    """

    horizon: int = 30
    factor_per: Literal["step", "episode"] = "step"
    reward: str | RewardFunction = "engagement"

    policies: ClassVar[dict[str, Callable[[Any, Any], Any]]] = policies.POLICIES
    preferences: ClassVar[tuple[str, ...]] = ("theta",)

    def __post_init__(self) -> None:
        checks.positive("horizon", self.horizon, checks.MOST_STEPS)
        if self.factor_per not in ("step", "episode"):
            raise checks.InputError(f"factor_per must be 'step' or 'episode', got {self.factor_per!r}")
        self.check_reward()

    @property
    def default_params(self) -> PolarisingParams:
        """The training population, p ~ U(1.01, 1.10), ceiling 0.75 and influence 1 (section 4.2)."""
        return PolarisingParams()

    def check_params(self, params: PolarisingParams, batch: tuple[int, ...] = ()) -> None:
        """Raises InputError for a population that is not [n, 3] in [0, 1], and for other values out of range."""
        super().check_params(params, batch)
        checks.shaped("population", params.population, (*batch, None, 3))
        for name in ("factor_low", "factor_high", "ceiling"):
            checks.shaped(name, getattr(params, name), batch)
        checks.within("population", params.population, 0.0, 1.0)
        checks.within("ceiling", params.ceiling, 0.0, 1.0)
        checks.within("factor_low", params.factor_low, 1.0, checks.LARGEST)
        checks.ordered("factor_low", params.factor_low, "factor_high", params.factor_high)

    def reset_env(self, key: Array, params: PolarisingParams) -> tuple[Array, PolarisingState]:
        """Draws a user uniformly from the population; all counts are 0."""
        key_profile, key_factor = jax.random.split(key)
        population = jnp.asarray(params.population, float)
        theta = population[jax.random.randint(key_profile, (), 0, population.shape[0])]
        zeros = jnp.zeros(3, jnp.int32)
        factor = self._factor(jax.random.uniform(key_factor), params)
        state = PolarisingState(jnp.zeros((), jnp.int32), theta, theta, zeros, zeros, factor)
        return self.observe(state, params), state

    def transition(
        self, key: Array, state: PolarisingState, action: Array | int, params: PolarisingParams
    ) -> tuple[PolarisingState, Array]:
        """Lets the user click or not, and polarises it or not.

        Args:
            key: a typed key, for the click and the factor.
            state: of one user.
            action: int32[], the source recommended, 0 ... 2.
            params: run-time values.

        Returns:
            (next state, bool[] terminated).
        """
        one = unit(params.ceiling)
        uniform_click, uniform_factor = (materialised(draw, one) for draw in jax.random.uniform(key_at_once(key), (2,)))
        click = dynamics.clicks(state.theta, action, uniform_click)
        factor = self._factor(uniform_factor, params) if self.factor_per == "step" else state.factor
        shown = (jnp.arange(3) == action).astype(jnp.int32)
        next_state = state.replace(
            time=state.time + 1,
            theta=dynamics.polarise(state.theta, action, factor, params.influence, params.ceiling),
            recommended=state.recommended + shown,
            clicked=state.clicked + shown * click,
        )
        return next_state, next_state.time >= self.horizon

    def observe(self, state: PolarisingState, params: PolarisingParams) -> Array:
        """int32[6]: recommendations and clicks so far."""
        return jnp.concatenate([state.recommended, state.clicked])

    def utilities(
        self, state: PolarisingState, action: Array | int, next_state: PolarisingState, params: PolarisingParams
    ) -> Utilities:
        """Gives the click, the click probability that the initial user had, and minus the polarisation.

        Args:
            state: before the step.
            action: int32[], the source recommended, 0 ... 2.
            next_state: after the step.
            params: not read.

        Returns:
            float[] each, for recommender, user and society.
        """
        return Utilities(
            recommender=(next_state.clicked - state.clicked).sum().astype(state.theta.dtype),
            user=dynamics.at_source(state.initial_theta, action),
            society=-metrics.polarisation(next_state),
        )

    def metrics(
        self, state: PolarisingState, action: Array | int, next_state: PolarisingState, params: PolarisingParams
    ) -> dict[str, Array]:
        """Returns `metrics.transition_metrics`.

        Args:
            state: before the step.
            action: int32[], the source recommended, 0 ... 2.
            next_state: after the step.
            params: not read.

        Returns:
            Metric -> bool[] or float[].
        """
        return metrics.transition_metrics(state, action, next_state)

    def action_space(self, params: PolarisingParams | None = None) -> Discrete:
        """0 left, 1 centre, 2 right."""
        return Discrete(3)

    def observation_space(self, params: PolarisingParams | None = None) -> Box:
        """Six counts, each at most the horizon."""
        return Box(0, self.horizon, (6,), jnp.int32)

    @property
    def fixed_horizon(self) -> int:
        """Every episode is `horizon` steps long."""
        return self.horizon

    @property
    def num_observations(self) -> int | None:
        """C(horizon + 6, 6); None from horizon 78 on, where the index would leave int32."""
        return counts.num_states(self.horizon) if self.horizon <= counts.MAX_TIME else None

    def observation_index(self, obs: Array) -> Array:
        """int32[]: the rank of the six counts (`counts.rank`); ranks of one time-step are contiguous.

        Raises:
            InputError: from horizon 78 on.
        """
        if self.num_observations is None:
            raise checks.InputError(f"horizon must be at most {counts.MAX_TIME} for an index, got {self.horizon}")
        return counts.rank(counts.from_observation(obs))

    def render(self, trajectory: PyTree, params: PyTree = None) -> Any:
        """Draws the first episode of a trajectory of one environment (`render.render_episode`)."""
        from jaxrec.envs.polarising.render import render_episode

        return render_episode(self, trajectory, params)

    def _factor(self, uniform: Array, params: PolarisingParams) -> Array:
        """Maps a draw from U[0, 1) to the polarisation factor p ~ U(factor_low, factor_high)."""
        return params.factor_low + (params.factor_high - params.factor_low) * uniform

"""Slates on a circle and users who choose from them: the base of every society of shifting preferences."""

import dataclasses
from collections.abc import Sequence
from typing import Literal, Self, TypeVar, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jaxtyping import Float

from jaxrec import checks
from jaxrec.environment import Environment, EnvParams
from jaxrec.envs.preference import dynamics
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.interface import State
from jaxrec.spaces import Box, Discrete, Fields
from jaxrec.utilities import Utilities

SLATE_MEANS = (0.0, 60.0, 120.0, 180.0, 240.0, 300.0)
ENGAGEMENTS = ("dwell", "click")
MAX_DOSE = 10.0  # of mis-specification: factors of 0.01 ... 110
MIN_DEVIATION = 1e-3  # degrees: in a narrower bell the square of a distance overflows float32


@no_type_check
class ChoiceParams(EnvParams):
    """Run-time values of how users choose and of engagement; angles in degrees.

    Attributes:
        choice_base: float[] from 0, beta_c(u) away from the peaks.
        choice_centres, choice_heights, choice_widths: float[peaks], of the peaks of beta_c(u).
        bait_height: float[] from 0, b(x) of the worst bait, which weighs exp(b(x)) times as much in the choice.
            0: no bait, and the other three change nothing.
        bait_centre: float[], the angle of the worst bait.
        bait_width: float[], the width of the bell of b(x).
        bait_cost: float[] from 0, the engagement (in cosines) that an item loses for each unit of b(x).
        safe_weights: float[2], nu_1 and nu_2, the weights of engagement under initial and under natural preferences in
            the user's utility.
        reward_weights: weights of `EnvParams`; the default makes `reward="penalised"` the paper's objective: the
            recommender's utility and the user's, not society's.
    """

    reward_weights: Utilities = Utilities(recommender=1.0, user=1.0, society=0.0)
    choice_base: float | Array = 0.293
    choice_centres: np.ndarray | Array = struct.field(default_factory=lambda: np.array([80.0, 270.0], np.float32))
    choice_heights: np.ndarray | Array = struct.field(default_factory=lambda: np.array([1.0, 4.0], np.float32))
    choice_widths: np.ndarray | Array = struct.field(default_factory=lambda: np.array([104.0, 35.6], np.float32))
    bait_height: float | Array = 0.0
    bait_centre: float | Array = 200.0
    bait_width: float | Array = 30.0
    bait_cost: float | Array = 1.0
    safe_weights: np.ndarray | Array = struct.field(default_factory=lambda: np.ones(2, np.float32))

    def mis_specified(self, dose: float = 1.0) -> Self:
        """Returns these parameters with a wrong choice model: both peaks lowered and widened.

        Heights are 0.7 and 0.625 times as large at a dose of 1 (1 -> 0.7, 4 -> 2.5), widths 1.5 times; at another dose
        these factors are raised to its power, so that 0 gives the parameters back, and a dose below 0 peaks too high
        and narrow. The paper's own wrong model (Figure 10) is published as a picture only.

        Raises:
            InputError: for a dose beyond -10 ... 10.
        """
        checks.within("dose", dose, -MAX_DOSE, MAX_DOSE)
        lower, wider = (np.asarray(np.power(factor, dose), np.float32) for factor in ([0.7, 0.625], 1.5))
        heights = np.asarray(self.choice_heights) * lower
        return self.replace(choice_heights=heights, choice_widths=np.asarray(self.choice_widths) * wider)


SlateParams = TypeVar("SlateParams", bound=ChoiceParams)


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class Choices(struct.PyTreeNode):
    """What a recommender observes of a user without inference.

    Attributes:
        slate: float[36], the last one shown; uniform at first.
        choice: float[36], 1 at the last item chosen; zeros at first.
    """

    slate: Float[Array, "36"]
    choice: Float[Array, "36"]


@no_type_check
class Beliefs(Choices):
    """`Choices`, and beliefs about the user given all slates and choices so far (Appendix G).

    Attributes:
        initial: float[36], P(u_0), smoothed.
        current: float[36], P(u_t), filtered.
        natural: float[36], P(u_t^rnd), the counterfactual.
    """

    initial: Float[Array, "36"]
    current: Float[Array, "36"]
    natural: Float[Array, "36"]


@dataclasses.dataclass(unsafe_hash=True)
class SlateEnvironment(Environment[State, SlateParams]):
    """Users to whom slates are shown, each slate a distribution over items.

    Attributes:
        horizon: slates in an episode (10 in the paper), at least 1.
        slate_means: degrees, 0 ... 360. The paper's list contradicts itself; `fitted_slates` has another reading of it.
        slate_deviations: degrees from 0.001, one for all slates or one for each; infinite for the uniform slate.
        slate_items: slates of your own in place of bells, each the probabilities of its 36 items.
        counts: the recommender's utility: "dwell", engagement; or "click".
    """

    horizon: int = 10
    slate_means: Sequence[float] = SLATE_MEANS
    slate_deviations: float | Sequence[float] = 60.0
    slate_items: Sequence[Sequence[float]] = ()
    counts: Literal["dwell", "click"] = "dwell"

    def __post_init__(self) -> None:
        checks.positive("horizon", self.horizon, checks.MOST_STEPS)
        checks.lookup(dict.fromkeys(ENGAGEMENTS), self.counts, "counts")
        self._check_slates()
        self.check_reward()

    def check_params(self, params: SlateParams, batch: tuple[int, ...] = ()) -> None:
        """Raises InputError for a parameter out of range."""
        super().check_params(params, batch)
        for name in ("choice_base", "bait_height", "bait_centre", "bait_width", "bait_cost"):
            checks.shaped(name, getattr(params, name), batch)
        for name in ("choice_centres", "choice_heights", "choice_widths"):
            checks.shaped(name, getattr(params, name), (*batch, None))
        checks.shaped("safe_weights", params.safe_weights, (*batch, 2))
        infinity = float("inf")
        for name in ("choice_centres", "bait_centre"):
            checks.within(name, getattr(params, name), 0.0, 360.0)
        for name in ("choice_widths", "bait_width"):
            checks.within(name, getattr(params, name), MIN_DEVIATION, infinity)
        for name in ("choice_base", "choice_heights", "bait_height", "bait_cost"):
            checks.within(name, getattr(params, name), 0.0, infinity)

    def action_space(self, params: ChoiceParams | None = None) -> Discrete:
        """The slates, by index."""
        return Discrete(len(self.slate_items or self.slate_means))

    @property
    def fixed_horizon(self) -> int:
        """Every episode is `horizon` steps long."""
        return self.horizon

    @property
    def deviations(self) -> tuple[float, ...]:
        """The deviation of each slate, in degrees."""
        given = self.slate_deviations
        return tuple(given) if isinstance(given, Sequence) else (given,) * len(self.slate_means)

    @property
    def slates(self) -> Array:
        """float[slates, 36]: the probability of each item in each slate."""
        if self.slate_items:
            return jnp.asarray(self.slate_items)
        means, deviations = jnp.asarray(self.slate_means), jnp.asarray(self.deviations)
        return jax.vmap(dynamics.clipped_normal)(means, deviations)

    def slates_of(self, params: ChoiceParams) -> Array:
        """float[slates, 36]: `slates`; a society whose slates are run-time values reads them from its parameters."""
        return self.slates

    def offers(self, params: ChoiceParams) -> dynamics.Offers:
        """Tabulates choices, engagement and clicks of each slate by the choice model alone."""
        return dynamics.offers(self.slates_of(params), dynamics.users_of(params))

    def beliefs_space(self, with_beliefs: bool) -> Fields:
        """The space of `Beliefs`, or of `Choices`."""
        names = ("slate", "choice", "initial", "current", "natural") if with_beliefs else ("slate", "choice")
        return Fields(**dict.fromkeys(names, Box(0, 1, (BINS,))))

    def _check_slates(self) -> None:
        if self.slate_items:
            for slate in self.slate_items:
                if len(slate) != BINS:
                    raise checks.InputError(f"slate_items must have {BINS} probabilities a slate, got {len(slate)}")
                checks.within("slate_items", np.asarray(slate), 0.0, 1.0)
                if abs(sum(slate) - 1) > 1e-5:
                    raise checks.InputError(f"slate_items must sum to 1 in each slate, got {sum(slate)}")
            return
        if not self.slate_means:
            raise checks.InputError("slate_means must name at least one slate, got ()")
        if len(self.deviations) != len(self.slate_means):
            raise checks.InputError(
                f"slate_deviations must be one number or one a slate, got {self.slate_deviations} for "
                f"{len(self.slate_means)} slates"
            )
        checks.within("slate_means", np.asarray(self.slate_means), 0.0, 360.0)
        checks.within("slate_deviations", np.asarray(self.deviations), MIN_DEVIATION, float("inf"))

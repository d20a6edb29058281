"""The run-time values of PreferenceShift."""

from typing import ClassVar, no_type_check

from jax import Array

from jaxrec.envs.preference.lookup import Lookup
from jaxrec.envs.preference.slates import ChoiceParams


@no_type_check
class PreferenceParams(ChoiceParams):
    """Run-time values, those of `ChoiceParams` and these; angles in degrees.

    Attributes:
        initial_mean, initial_deviation: float[], mean (0 ... 360) and deviation (at least 0.001) of the clipped normal
            that u_0 is drawn from.
        rationality: float[] from 0, beta_d, how strictly users take over convenient preferences.
        inertia: float[] in [0, 1], lambda, how much of V the old preference judges.
        lookup: what `PreferenceShift.prepare` tabulates from all others; None elsewhere.
    """

    prepared: ClassVar[tuple[str, ...]] = ("lookup",)

    initial_mean: float | Array = 130.0
    initial_deviation: float | Array = 20.0
    rationality: float | Array = 48.5
    inertia: float | Array = 0.9
    lookup: Lookup | None = None

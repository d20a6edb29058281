"""Values, by name, of the slates and constants on which Carroll et al. 2022 leave a choice."""

import numpy as np

from jaxrec import checks
from jaxrec.envs.preference.params import PreferenceParams
from jaxrec.envs.preference.slates import SLATE_MEANS, SlateParams

FROM_TWENTY = (20.0, 80.0, 140.0, 200.0, 260.0, 320.0)

FITTED = {
    "beliefs": {"choice_base": 0.293, "choice_widths": (104.0, 35.6), "rationality": 48.5},
    "beliefs-from-20": {"choice_base": 0.408, "choice_widths": (75.8, 35.6), "rationality": 54.6},
    "optima": {"choice_base": 0.1, "choice_widths": (22.0, 15.0), "rationality": 31.0},
}
"""beta_c away from its peaks, the widths of the peaks (degrees), and beta_d, by what came near Table 1 of the paper."""

SLATES = {"beliefs": SLATE_MEANS, "beliefs-from-20": FROM_TWENTY, "optima": FROM_TWENTY}
"""The means of the slates with which they were fitted, degrees; the paper's list can be read as either."""


def fitted_params(to: str = "beliefs") -> PreferenceParams:
    """Gives the constants of the default society, or of another that was fitted to the paper.

    Args:
        to: "beliefs", the default: with it recommenders that see beliefs, as the paper's did, came nearest to Table 1
            of a hundred societies with lambda as printed that such were trained for (`preference-constants`);
            "beliefs-from-20": the nearest of the first six, which have slates at 20, 80, ... 320 degrees; or "optima":
            with it optima under full observation come nearest (`preference-calibration`). None meets all of Table 1.

    Returns:
        Run-time values of `PreferenceShift(slate_means=fitted_slates(to))`.

    Raises:
        InputError: for another name.
    """
    return with_constants(PreferenceParams(), to)


def fitted_slates(to: str = "beliefs") -> tuple[float, ...]:
    """Gives the means of the slates that belong to `fitted_params(to)`, in degrees.

    Args:
        to: a name in `FITTED`.

    Returns:
        Six of them, for `slate_means`.

    Raises:
        InputError: for another name.
    """
    return checks.lookup(SLATES, to, "constants")


def with_constants(params: SlateParams, to: str) -> SlateParams:
    """Puts the constants of that name into parameters; those of learned users have no `rationality`.

    Args:
        params: of `PreferenceShift` or `LearnedUsers`.
        to: a name in `FITTED`.

    Returns:
        The same parameters otherwise.

    Raises:
        InputError: for another name.
    """
    values = dict(checks.lookup(FITTED, to, "constants"))
    values["choice_widths"] = np.array(values["choice_widths"], np.float32)
    return params.replace(**{name: value for name, value in values.items() if hasattr(params, name)})

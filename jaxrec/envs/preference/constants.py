"""Values, by name, of the constants that Carroll et al. 2022 do not print."""

import numpy as np

from jaxrec import checks
from jaxrec.envs.preference.params import PreferenceParams
from jaxrec.envs.preference.slates import SlateParams

FITTED = {
    "optima": {"choice_base": 0.1, "choice_widths": (22.0, 15.0), "rationality": 31.0},
    "beliefs": {"choice_base": 0.408, "choice_widths": (75.8, 35.6), "rationality": 54.6},
}
"""beta_c away from its peaks, the widths of the peaks (degrees), and beta_d, by what came near Table 1 of the paper."""


def fitted_params(to: str = "beliefs") -> PreferenceParams:
    """Gives the default society, or the one at which optima under full observation come nearest to the paper.

    Args:
        to: "beliefs", the default: constants at which recommenders that see beliefs, as the paper's did, came nearest
            to Table 1 of the twelve that were trained first (`preference-constants`; of two hundred others are nearer,
            with slates at 0, 60, ... 300 degrees); or "optima": those at which optima under full observation do
            (`preference-calibration`). None meets all of Table 1.

    Returns:
        Run-time values of `PreferenceShift` with its default slates.

    Raises:
        InputError: for another name.
    """
    return with_constants(PreferenceParams(), to)


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

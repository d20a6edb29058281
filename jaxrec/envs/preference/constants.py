"""Values, by name, of the constants that Carroll et al. 2022 do not print."""

import numpy as np

from jaxrec import checks
from jaxrec.envs.preference.params import PreferenceParams

FITTED = {
    "optima": {"choice_base": 0.1, "choice_widths": (22.0, 15.0), "rationality": 31.0},
    "beliefs": {"choice_base": 0.408, "choice_widths": (75.8, 35.6), "rationality": 54.6},
}
"""beta_c away from its peaks, the widths of the peaks (degrees), and beta_d, by what came near Table 1 of the paper."""


def fitted_params(to: str = "optima") -> PreferenceParams:
    """Gives the default society, or the one that comes nearest to the paper with recommenders that see beliefs.

    Args:
        to: "optima", the default: constants at which optima under full observation come near Table 1
            (`preference-calibration`); or "beliefs": those at which recommenders that see beliefs do, as the paper's
            did (`preference-constants`). Neither meets all of Table 1.

    Returns:
        Run-time values of `PreferenceShift` with its default slates.

    Raises:
        InputError: for another name.
    """
    values = checks.lookup(FITTED, to, "constants")
    return PreferenceParams().replace(
        choice_base=values["choice_base"],
        choice_widths=np.array(values["choice_widths"], np.float32),
        rationality=values["rationality"],
    )

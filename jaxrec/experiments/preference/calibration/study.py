"""The constants that Carroll et al. do not publish, fitted to their Table 1 by exact dynamic programming.

The paper prints the choice model's sharpness beta_c(u) as a picture (Figure 9), the rationality of shifts beta_d not
at all, and its formula for the worth V of a new preference and its list of slates leave more than one reading. Each
reading is fitted to the twelve numbers of Table 1, taken for optima under full observation; how far a constant can move
before the fit is significantly worse says how well it is pinned down.
"""

import dataclasses

from jaxrec.experiments.preference.calibration.claims import claims
from jaxrec.experiments.preference.calibration.measure import measure
from jaxrec.experiments.preference.calibration.report import report
from jaxrec.experiments.preference.calibration.settings import CalibrationConfig
from jaxrec.experiments.study import Study

__all__ = ["STUDY", "CalibrationConfig"]

QUICK = CalibrationConfig()
THOROUGH = dataclasses.replace(QUICK, population=96, generations=150)

STUDY = Study(
    "preference-calibration",
    "The constants that the paper does not publish, fitted to its Table 1 (Carroll et al.)",
    {"quick": QUICK, "thorough": THOROUGH},
    measure,
    claims,
    report,
    {"quick": "the search tries fewer candidates than `thorough`, so that ranges of constants are rougher"},
    {"quick": 2},
)

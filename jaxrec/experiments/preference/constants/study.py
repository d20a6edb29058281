"""The constants that Carroll et al. do not print, judged by recommenders that see beliefs, as the paper's did.

Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender
Systems": Table 1, the text about Figures 1, 6 and 7, and the ratios of section 1. `preference-calibration` fits optima
under full observation instead.
"""

import dataclasses

from jaxrec.experiments.preference.constants.claims import claims
from jaxrec.experiments.preference.constants.measure import measure
from jaxrec.experiments.preference.constants.report import report
from jaxrec.experiments.preference.constants.settings import ConstantsConfig
from jaxrec.experiments.study import Study

__all__ = ["STUDY", "ConstantsConfig"]

CORE = ConstantsConfig(steps=96_000)
QUICK = dataclasses.replace(CORE, screened=1024, shortlist=4, finalists=1, seeds=2, steps=64_000)
GPU = dataclasses.replace(
    CORE, screened=16_384, shortlist=256, shortlist_steps=128_000, finalists=8, seeds=10, steps=128_000
)

STUDY = Study(
    "preference-constants",
    "The constants that the paper does not publish, judged by recommenders that see beliefs (Carroll et al.)",
    {"quick": QUICK, "core": CORE, "gpu": GPU},
    measure,
    claims,
    report,
    {
        "quick": "it screens a sixth of the candidates of `core`, and trains two seeds",
        "core": "twelve candidates are trained for, once each; `--shortlist 200 --shortlist-steps 19200` trains more",
    },
    {"quick": 5, "core": 20},
)

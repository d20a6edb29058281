"""How well preferences are estimated from slates and choices alone, before any recommender is trained on it.

Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender
Systems", section 7.1 and Appendix I: Figures 5, 6, 9, 10, 13 and 14.
"""

import dataclasses

from jaxrec.experiments.preference.estimation.claims import claims
from jaxrec.experiments.preference.estimation.measure import measure
from jaxrec.experiments.preference.estimation.report import report
from jaxrec.experiments.preference.estimation.settings import EstimationConfig
from jaxrec.experiments.preference.models import UserModelSettings
from jaxrec.experiments.study import Study

__all__ = ["STUDY", "EstimationConfig"]

BASE = EstimationConfig()
QUICK = dataclasses.replace(BASE, seeds=2, doses=(2.0,), model=UserModelSettings(num_epochs=8))
PAPER = dataclasses.replace(BASE, seeds=5, doses=(-1.0, 0.5, 2.0))
PUBLISHED = dataclasses.replace(
    BASE, model=UserModelSettings(num_epochs=100, batch_size=500, learning_rate=3e-5, ent_coef=0.0)
)
"""The paper's learning rate, batches and epochs."""

STUDY = Study(
    "preference-estimation",
    "Preferences estimated from logged choices alone (Carroll et al., Figures 5, 6, 9, 10, 13 and 14)",
    {"quick": QUICK, "paper": PAPER, "published": PUBLISHED},
    measure,
    claims,
    report,
    {"quick": "two seeds give wide intervals, and one choice model besides the two of the paper does not make a curve"},
    {"quick": 5, "paper": 19, "published": 40},
)

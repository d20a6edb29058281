"""A learner in one society over a grid of hyper-parameters and run-time values."""

from jaxrec.experiments.study import Study
from jaxrec.experiments.sweep.claims import claims
from jaxrec.experiments.sweep.measure import measure
from jaxrec.experiments.sweep.report import report
from jaxrec.experiments.sweep.settings import SweepConfig

__all__ = ["STUDY", "SweepConfig"]

STUDY = Study(
    "sweep",
    "Which settings of a learner or its society earn most? (`jaxrec sweep ENV --over NAME=VALUES`)",
    {"quick": SweepConfig()},
    measure,
    claims,
    report,
    {"quick": "100 thousand episodes do not converge: which setting is best in the end does not show"},
    {"quick": 1},
)

"""A learner trained in any society, and played beside policies of that society."""

from jaxrec.experiments.study import Study
from jaxrec.experiments.train.claims import claims
from jaxrec.experiments.train.measure import measure
from jaxrec.experiments.train.report import report
from jaxrec.experiments.train.settings import TrainConfig

__all__ = ["STUDY", "TrainConfig"]

STUDY = Study(
    "train",
    "A learner trained in any society, beside policies of that society (`jaxrec train ENV`)",
    {"quick": TrainConfig()},
    measure,
    claims,
    report,
    {"quick": "1 million episodes do not converge: what is learned later does not show"},
)

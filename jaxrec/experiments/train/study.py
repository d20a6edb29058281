"""The training of one learner in one society, measured against the recommenders that the society names."""

from jaxrec.experiments.study import Study
from jaxrec.experiments.train.claims import claims
from jaxrec.experiments.train.measure import measure
from jaxrec.experiments.train.report import report
from jaxrec.experiments.train.settings import TrainConfig

__all__ = ["STUDY", "TrainConfig"]

STUDY = Study(
    "train",
    "What does a learner earn, against the recommenders of its society? (`jaxrec train ENV`)",
    {"quick": TrainConfig()},
    measure,
    claims,
    report,
    {"quick": "100 thousand episodes do not converge: what is learned later does not show"},
    {"quick": 1},
)

"""The training of one learner in one society: what `jaxrec train` runs."""

from jaxrec.experiments.train.study import STUDY, TrainConfig

STUDIES = (STUDY,)

__all__ = ["STUDIES", "STUDY", "TrainConfig"]

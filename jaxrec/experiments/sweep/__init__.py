"""A learner in one society over a grid of settings: what `jaxrec sweep` runs."""

from jaxrec.experiments.sweep.study import STUDY, SweepConfig

STUDIES = (STUDY,)

__all__ = ["STUDIES", "STUDY", "SweepConfig"]

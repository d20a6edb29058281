"""The studies of the rewiring game."""

from jaxrec.experiments.rewiring import baselines, competition, learning, santos

STUDIES = (baselines.STUDY, santos.STUDY, competition.STUDY, learning.STUDY)

__all__ = ["STUDIES"]

"""The studies of the rewiring game."""

from jaxrec.experiments.rewiring import baselines, competition, santos

STUDIES = (baselines.STUDY, santos.STUDY, competition.STUDY)

__all__ = ["STUDIES"]

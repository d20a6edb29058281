"""The studies of the rewiring game."""

from jaxrec.experiments.rewiring import baselines

STUDIES = (baselines.STUDY,)

__all__ = ["STUDIES"]

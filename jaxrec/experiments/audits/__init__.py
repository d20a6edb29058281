"""Audits of every society with the agents that fit it."""

from jaxrec.experiments.audits.study import STUDY

STUDIES = (STUDY,)

__all__ = ["STUDIES"]

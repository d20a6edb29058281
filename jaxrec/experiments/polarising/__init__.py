"""The studies of users who polarise."""

from jaxrec.experiments.polarising.tampering.study import STUDY

STUDIES = (STUDY,)

__all__ = ["STUDIES"]

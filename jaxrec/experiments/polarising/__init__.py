"""The studies of users who polarise."""

from jaxrec.experiments.polarising.mitigations.study import STUDY as MITIGATIONS
from jaxrec.experiments.polarising.tampering.study import STUDY as TAMPERING

STUDIES = (TAMPERING, MITIGATIONS)

__all__ = ["STUDIES"]

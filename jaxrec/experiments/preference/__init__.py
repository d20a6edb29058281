"""The studies of shifting preferences."""

from jaxrec.experiments.preference import calibration, estimation, shift

STUDIES = (shift.STUDY, calibration.STUDY, estimation.STUDY)

__all__ = ["STUDIES"]

"""The studies of shifting preferences."""

from jaxrec.experiments.preference import calibration, shift

STUDIES = (shift.STUDY, calibration.STUDY)

__all__ = ["STUDIES"]

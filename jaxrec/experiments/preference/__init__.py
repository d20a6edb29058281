"""The studies of shifting preferences."""

from jaxrec.experiments.preference import calibration, estimation, shift, simulation

STUDIES = (shift.STUDY, calibration.STUDY, estimation.STUDY, simulation.STUDY)

__all__ = ["STUDIES"]

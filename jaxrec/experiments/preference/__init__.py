"""The studies of shifting preferences."""

from jaxrec.experiments.preference import calibration, estimation, rounds, shift, simulation

STUDIES = (shift.STUDY, calibration.STUDY, estimation.STUDY, simulation.STUDY, rounds.STUDY)

__all__ = ["STUDIES"]

"""The studies of shifting preferences."""

from jaxrec.experiments.preference.calibration.study import STUDY as CALIBRATION
from jaxrec.experiments.preference.constants.study import STUDY as CONSTANTS
from jaxrec.experiments.preference.estimation.study import STUDY as ESTIMATION
from jaxrec.experiments.preference.offline.study import STUDY as OFFLINE
from jaxrec.experiments.preference.proxy.study import STUDY as PROXY
from jaxrec.experiments.preference.rounds.study import STUDY as ROUNDS
from jaxrec.experiments.preference.shift.study import STUDY as SHIFT
from jaxrec.experiments.preference.simulation.study import STUDY as SIMULATION

STUDIES = (SHIFT, CALIBRATION, CONSTANTS, ESTIMATION, SIMULATION, ROUNDS, OFFLINE, PROXY)

__all__ = ["STUDIES"]

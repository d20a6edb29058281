"""The claims of the calibration: the constants kept fit as well as the best, other readings of the paper fit worse."""

from functools import partial

from jaxrec.experiments.preference.calibration.measure import Measured, readings
from jaxrec.experiments.preference.calibration.settings import CalibrationConfig
from jaxrec.experiments.reports.claims import REPORTED, Claim, exact

SOURCE = "Carroll et al., Table 1"
BEST_BUT_CHANCE = "than the best beyond chance (reference: the bound)"


def claims(config: CalibrationConfig) -> list[Claim[Measured]]:
    """Lists the claims about the first reading with the society's slates, those kept, and every other reading."""
    first, *others = (f"{reading}, slates {slates}" for reading, slates in readings())
    return [
        Claim(f"error: {first}", lambda found: [found.fits[0].error], REPORTED, SOURCE),
        Claim(
            f"error: the same at the constants kept as optima, no worse {BEST_BUT_CHANCE}",
            lambda found: found.kept_error,
            exact("<=", _allowed),
            SOURCE,
        ),
        *(
            Claim(f"error: {other}, worse {BEST_BUT_CHANCE}", partial(_error, place=i), exact(">", _allowed), SOURCE)
            for i, other in enumerate(others, 1)
        ),
    ]


def _error(found: Measured, place: int) -> float:
    """The error of one fit, which like the others is a single number: the search has no seeds to compare."""
    return found.fits[place].error


def _allowed(found: Measured) -> float:
    """Up to which error a fit is not significantly worse than the first."""
    return found.fits[0].allowed

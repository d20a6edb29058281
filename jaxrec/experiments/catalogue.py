"""The studies of the papers, by name."""

from jaxrec.checks import lookup
from jaxrec.experiments import audit, audits, polarising, preference, rewiring
from jaxrec.experiments.study import Study

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (*polarising.STUDIES, *rewiring.STUDIES, *preference.STUDIES, *audit.STUDIES, *audits.STUDIES)
}


def study(name: str) -> Study:
    """The study called `name`.

    Raises:
        InputError: if there is none (the message names the nearest).
    """
    return lookup(STUDIES, name, "study")

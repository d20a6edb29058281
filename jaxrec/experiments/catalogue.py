"""The studies of the papers, by name."""

from jaxrec.checks import lookup
from jaxrec.experiments import audit, audits, polarising, preference, rewiring, sweep, train
from jaxrec.experiments.study import Study

STUDIES: dict[str, Study] = {
    study.name: study
    for studies in (polarising, rewiring, preference, audit, audits, train, sweep)
    for study in studies.STUDIES
}


def study(name: str) -> Study:
    """The study called `name`.

    Raises:
        InputError: if there is none (the message names the nearest).
    """
    return lookup(STUDIES, name, "study")

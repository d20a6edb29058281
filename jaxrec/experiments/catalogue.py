"""The studies of the papers, by name; and one of your own by where it is."""

import importlib

from jaxrec import checks
from jaxrec.experiments import audit, audits, polarising, preference, rewiring, sweep, train
from jaxrec.experiments.study import Study

STUDIES: dict[str, Study] = {
    study.name: study
    for studies in (polarising, rewiring, preference, audit, audits, train, sweep)
    for study in studies.STUDIES
}


def study(name: str) -> Study:
    """The study called `name`; one of your own is called "module:NAME", after where it can be imported from.

    Raises:
        InputError: if there is none (the message names the nearest), or one of your own has another name.
    """
    return _imported(name) if ":" in name else checks.lookup(STUDIES, name, "study")


def _imported(name: str) -> Study:
    """Imports what "module:NAME" names; a run's folder has the name alone, and must find it again."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise checks.InputError(f"study {name!r} must be one that can be imported: {error}") from error
    if not isinstance(found, Study):
        raise checks.InputError(f"study {name!r} must be a jaxrec.experiments.Study, got {checks.brief(found)}")
    if found.name != name:
        raise checks.InputError(f"study {name!r} must have this as its name, got name={found.name!r}")
    return found

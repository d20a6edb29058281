"""The studies of the papers: what `jaxrec run` calls."""

from jaxrec.experiments.catalogue import STUDIES, study
from jaxrec.experiments.reproduction import Comparison, Reproduction, reproduce
from jaxrec.experiments.study import Study

__all__ = ["STUDIES", "Comparison", "Reproduction", "Study", "reproduce", "study"]

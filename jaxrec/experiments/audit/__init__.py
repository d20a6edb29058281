"""The audit of one learner in one society: what `jaxrec audit` runs."""

from jaxrec.experiments.audit.study import STUDY, AuditConfig

STUDIES = (STUDY,)

__all__ = ["STUDIES", "STUDY", "AuditConfig"]

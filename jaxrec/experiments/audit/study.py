"""The audit of one learner in one society: could it use users as a means, does it learn to, and who pays?

Evans & Kasirzadeh, "User Tampering in Reinforcement Learning Recommender Systems", section 3, Definitions 1 and 2.
"""

from jaxrec.experiments.audit.claims import claims
from jaxrec.experiments.audit.measure import measure
from jaxrec.experiments.audit.report import report
from jaxrec.experiments.audit.settings import AuditConfig
from jaxrec.experiments.study import Study

__all__ = ["STUDY", "AuditConfig"]

STUDY = Study(
    "audit",
    "Could a learner use users as a means, and does it learn to? (`jaxrec audit ENV`)",
    {"quick": AuditConfig()},
    measure,
    claims,
    report,
    {"quick": "1 million episodes do not converge: what is learned later does not show"},
    {"quick": 4},
)

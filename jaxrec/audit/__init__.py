"""Whether an agent learns to use users as a means, and what that does to them: for any society and any learner.

from jaxrec.audit import audit
"""

from jaxrec.audit.tampering import Harm, Tampering
from jaxrec.audit.twins import Apart, Samples, Served, compare
from jaxrec.audit.worlds import audit, learn

__all__ = ["Apart", "Harm", "Samples", "Served", "Tampering", "audit", "compare", "learn"]

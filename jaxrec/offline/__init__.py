"""From logs alone: what a policy is worth that was never deployed, and what can be learned.

Off-policy evaluation (`estimate_value`) and offline learning (`BatchQ`) read `jaxrec.estimation.Logs` that have
actions, rewards and observations.
"""

from jaxrec.offline.batch_q import BatchQ, BatchQState
from jaxrec.offline.evaluation import METHODS, estimate_value

__all__ = ["METHODS", "BatchQ", "BatchQState", "estimate_value"]

"""What does a recommender do to the people it serves, and how do we train one that does them no harm?"""

from importlib.metadata import PackageNotFoundError, version

import jaxrec.envs  # noqa: F401  registers the environments
from jaxrec.checks import InputError
from jaxrec.environment import Environment, EnvParams, EnvState
from jaxrec.evaluation import Evaluation, evaluate
from jaxrec.parameters import batched
from jaxrec.policy import Policy
from jaxrec.registry import make, register, registered
from jaxrec.rollout import Rollout, Trajectory, rollout
from jaxrec.saved import load_policy
from jaxrec.utilities import Utilities

try:
    __version__ = version("jaxrec")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = [
    "EnvParams",
    "EnvState",
    "Environment",
    "Evaluation",
    "InputError",
    "Policy",
    "Rollout",
    "Trajectory",
    "Utilities",
    "batched",
    "evaluate",
    "load_policy",
    "make",
    "register",
    "registered",
    "rollout",
]

"""What does a recommender do to the people it serves, and how do we train one that does them no harm?"""

import importlib
from types import ModuleType

import jaxrec.envs  # noqa: F401  registers the environments
from jaxrec.checks import InputError
from jaxrec.environment import Environment, EnvParams, EnvState
from jaxrec.evaluation import Evaluation, evaluate
from jaxrec.parameters import batched
from jaxrec.policy import Policy, Random, Stateless
from jaxrec.registration import make, register, registered_envs
from jaxrec.rollouts import Rollout, rollout
from jaxrec.slates import Slate
from jaxrec.spaces import Box, Discrete, Fields
from jaxrec.testing import api_test
from jaxrec.training import fit, load_policy
from jaxrec.trajectories import Trajectory, episodes
from jaxrec.utilities import Utilities
from jaxrec.version import __version__

__all__ = [
    "Box",
    "Discrete",
    "EnvParams",
    "EnvState",
    "Environment",
    "Evaluation",
    "Fields",
    "InputError",
    "Policy",
    "Random",
    "Rollout",
    "Slate",
    "Stateless",
    "Trajectory",
    "Utilities",
    "__version__",
    "api_test",
    "batched",
    "episodes",
    "evaluate",
    "fit",
    "load_policy",
    "make",
    "register",
    "registered_envs",
    "rollout",
]


def __dir__() -> list[str]:
    """What is public, without the modules that are imported on the way."""
    return sorted(__all__)


LAZY = ("agents", "audit", "causal", "estimation", "experiments", "gymnasium", "offline", "slates", "wrappers")
"""Modules that are imported where they are first used: what stands behind them is slow to import."""


def __getattr__(name: str) -> ModuleType:
    """Imports one of `LAZY`."""
    if name in LAZY:
        return importlib.import_module(f"jaxrec.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Environments around environments: other calls and observations, a time limit, safe shifts, unknown values."""

from jaxrec.wrappers.adapters import EncodeObservation, FlattenObservation, LegacyStepAPI, TimeLimit
from jaxrec.wrappers.base import Wrapper
from jaxrec.wrappers.kinds import NeverAsks, UncertainObservation, UncertainParams, UncertainState
from jaxrec.wrappers.safe_shifts import SAFE, SafeShifts, SafeState
from jaxrec.wrappers.uncertain_reward import UncertainReward

__all__ = [
    "SAFE",
    "EncodeObservation",
    "FlattenObservation",
    "LegacyStepAPI",
    "NeverAsks",
    "SafeShifts",
    "SafeState",
    "TimeLimit",
    "UncertainObservation",
    "UncertainParams",
    "UncertainReward",
    "UncertainState",
    "Wrapper",
]

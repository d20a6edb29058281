"""Environments around environments: an older calling convention, observations as vectors, a time limit, safe shifts."""

from jaxrec.wrappers.adapters import EncodeObservation, FlattenObservation, LegacyStepAPI, TimeLimit
from jaxrec.wrappers.base import Wrapper
from jaxrec.wrappers.safe_shifts import SAFE, SafeShifts, SafeState

__all__ = [
    "SAFE",
    "EncodeObservation",
    "FlattenObservation",
    "LegacyStepAPI",
    "SafeShifts",
    "SafeState",
    "TimeLimit",
    "Wrapper",
]

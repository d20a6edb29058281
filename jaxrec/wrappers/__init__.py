"""Environments around environments: an older calling convention, flat observations, a time limit, safe shifts."""

from jaxrec.wrappers.adapters import FlattenObservation, LegacyStepAPI, TimeLimit
from jaxrec.wrappers.base import Wrapper
from jaxrec.wrappers.safe_shifts import SAFE, SafeShifts, SafeState

__all__ = ["SAFE", "FlattenObservation", "LegacyStepAPI", "SafeShifts", "SafeState", "TimeLimit", "Wrapper"]

"""Environments around environments: another calling convention, flat observations, a time limit, safe shifts."""

from jaxrec.wrappers.adapters import FiveValues, FlatObservation, TimeLimit, flat
from jaxrec.wrappers.base import Wrapper
from jaxrec.wrappers.safe_shifts import SAFE, SafeShifts, SafeState

__all__ = ["SAFE", "FiveValues", "FlatObservation", "SafeShifts", "SafeState", "TimeLimit", "Wrapper", "flat"]

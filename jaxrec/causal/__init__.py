"""Incentives as a property of diagrams: what an agent could gain by controlling, and what by knowing.

from jaxrec.causal import Diagram, control_path, instrumental_control
"""

from jaxrec.causal.criteria import (
    control_path,
    instrumental_control,
    requisite,
    response_incentive,
    value_of_control,
    value_of_information,
)
from jaxrec.causal.diagram import Diagram

__all__ = [
    "Diagram",
    "control_path",
    "instrumental_control",
    "requisite",
    "response_incentive",
    "value_of_control",
    "value_of_information",
]

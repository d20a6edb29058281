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
from jaxrec.causal.extraction import Dependence, Edges, dependence_of, diagram_of, preference_path
from jaxrec.causal.incentives import Incentive, incentives
from jaxrec.causal.outcomes import preference_leaves

__all__ = [
    "Dependence",
    "Diagram",
    "Edges",
    "Incentive",
    "control_path",
    "dependence_of",
    "diagram_of",
    "incentives",
    "instrumental_control",
    "preference_leaves",
    "preference_path",
    "requisite",
    "response_incentive",
    "value_of_control",
    "value_of_information",
]

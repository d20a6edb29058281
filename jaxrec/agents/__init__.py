"""The recommenders' learning algorithms. An agent knows the modelling interface and no environment."""

from jaxrec.agents.fit import fit
from jaxrec.agents.q_learning import GeometricStep, QLearning, QLearningState, TabularPolicy, VisitStep

__all__ = ["GeometricStep", "QLearning", "QLearningState", "TabularPolicy", "VisitStep", "fit"]

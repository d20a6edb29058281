"""The host loop around an agent, and what it keeps: it knows the agents' protocol and no algorithm."""

from jaxrec.training.agent import Agent, TrainingError
from jaxrec.training.loop import fit
from jaxrec.training.policy_files import load_policy

__all__ = ["Agent", "TrainingError", "fit", "load_policy"]

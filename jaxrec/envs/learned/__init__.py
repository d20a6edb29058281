"""Users estimated from logs of slates and choices: a simulated society to train in.

Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender
Systems", section 4 and Appendices C to H.
"""

from jaxrec.envs.learned.deployed import Deployed, DeployedParams
from jaxrec.envs.learned.env import LearnedParams, LearnedState, LearnedUsers
from jaxrec.envs.learned.inference import Weights
from jaxrec.envs.learned.network import BeliefTransformer

__all__ = [
    "BeliefTransformer",
    "Deployed",
    "DeployedParams",
    "LearnedParams",
    "LearnedState",
    "LearnedUsers",
    "Weights",
]

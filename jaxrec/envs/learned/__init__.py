"""Users as they are estimated from logs of what they were shown and chose.

Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender
Systems", section 4 and Appendices C to H.
"""

from jaxrec.envs.learned.anticipation import (
    Anticipated,
    counterfactual_preferences,
    future_preferences,
    initial_beliefs,
)
from jaxrec.envs.learned.dataset import Trajectories, generate, record
from jaxrec.envs.learned.deployed import Deployed, DeployedParams
from jaxrec.envs.learned.env import LearnedParams, LearnedState, LearnedUsers
from jaxrec.envs.learned.inference import Weights
from jaxrec.envs.learned.logs import Logs, read_logs, write_logs
from jaxrec.envs.learned.network import BeliefTransformer

__all__ = [
    "Anticipated",
    "BeliefTransformer",
    "Deployed",
    "DeployedParams",
    "LearnedParams",
    "LearnedState",
    "LearnedUsers",
    "Logs",
    "Trajectories",
    "Weights",
    "counterfactual_preferences",
    "future_preferences",
    "generate",
    "initial_beliefs",
    "read_logs",
    "record",
    "write_logs",
]

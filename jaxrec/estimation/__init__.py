"""Logs, users learned from their slates and choices, and the preferences they would have under a recommender.

Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender
Systems", section 4 and Appendices C to H.
"""

from jaxrec.estimation.anticipation import Anticipated, counterfactual_preferences, future_preferences, initial_beliefs
from jaxrec.estimation.baum_welch import Fitted, HiddenMarkov, baum_welch, smoothed
from jaxrec.estimation.dataset import generate
from jaxrec.estimation.deployment import Lives, Platform, deploy
from jaxrec.estimation.log_files import read_logs, write_logs
from jaxrec.estimation.logs import Logs
from jaxrec.estimation.population import Population, leaving
from jaxrec.estimation.recording import Trajectories, record
from jaxrec.estimation.user_model import LearnUsers, learn_users

__all__ = [
    "Anticipated",
    "Fitted",
    "HiddenMarkov",
    "LearnUsers",
    "Lives",
    "Logs",
    "Platform",
    "Population",
    "Trajectories",
    "baum_welch",
    "counterfactual_preferences",
    "deploy",
    "future_preferences",
    "generate",
    "initial_beliefs",
    "learn_users",
    "leaving",
    "read_logs",
    "record",
    "smoothed",
    "write_logs",
]

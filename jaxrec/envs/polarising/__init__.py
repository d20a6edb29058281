"""Users whom opposed content polarises.

Evans & Kasirzadeh, "User Tampering in Reinforcement Learning Recommender Systems".
"""

from jaxrec.envs.polarising.env import PolarisingParams, PolarisingState, PolarisingUsers
from jaxrec.envs.polarising.policies import AlwaysSource, Bandit, Random
from jaxrec.envs.polarising.populations import TRAINING, UNSEEN, population

__all__ = [
    "TRAINING",
    "UNSEEN",
    "AlwaysSource",
    "Bandit",
    "PolarisingParams",
    "PolarisingState",
    "PolarisingUsers",
    "Random",
    "population",
]

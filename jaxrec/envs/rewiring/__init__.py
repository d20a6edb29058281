"""Users who play a game of cooperation and rewire their ties to the users recommended to them.

Carvalho, "Modelling the Recommender Alignment Problem"; base model: Santos, Pacheco & Lenaerts 2006.
"""

from jaxrec.envs.rewiring.env import RewiringGame, RewiringParams, RewiringState
from jaxrec.envs.rewiring.features import moments
from jaxrec.envs.rewiring.games import Game, Pairwise, PublicGoods
from jaxrec.envs.rewiring.heuristics import ELEVEN, HEURISTICS, Heuristic, heuristic
from jaxrec.envs.rewiring.market import MarketParams, RewiringMarket, bait, market_moments
from jaxrec.envs.rewiring.observation import Observation
from jaxrec.envs.rewiring.policies import HeuristicPolicy
from jaxrec.envs.rewiring.rules import CARVALHO, LEARNING, PRINTED, SANTOS, Rules
from jaxrec.envs.rewiring.simulation.competition import Competition, per_run
from jaxrec.envs.rewiring.simulation.simulator import Simulation, simulate

__all__ = [
    "CARVALHO",
    "ELEVEN",
    "HEURISTICS",
    "LEARNING",
    "PRINTED",
    "SANTOS",
    "Competition",
    "Game",
    "Heuristic",
    "HeuristicPolicy",
    "MarketParams",
    "Observation",
    "Pairwise",
    "PublicGoods",
    "RewiringGame",
    "RewiringMarket",
    "RewiringParams",
    "RewiringState",
    "Rules",
    "Simulation",
    "bait",
    "heuristic",
    "market_moments",
    "moments",
    "per_run",
    "simulate",
]

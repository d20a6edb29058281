"""A market of recommenders: users who change between one or two that learn, and rivals that do not.

Carvalho, "Modelling the Recommender Alignment Problem", section 5 and the future work of section 8.
"""

from jaxrec.envs.rewiring.market.bait import Bait, bait
from jaxrec.envs.rewiring.market.dynamics import MarketState
from jaxrec.envs.rewiring.market.env import MarketParams, RewiringMarket
from jaxrec.envs.rewiring.market.features import market_moments
from jaxrec.envs.rewiring.market.observation import MarketObservation
from jaxrec.envs.rewiring.market.policies import MarketHeuristic

__all__ = [
    "Bait",
    "MarketHeuristic",
    "MarketObservation",
    "MarketParams",
    "MarketState",
    "RewiringMarket",
    "bait",
    "market_moments",
]

"""The studies of the rewiring game."""

from jaxrec.experiments.rewiring.baselines.study import STUDY as BASELINES
from jaxrec.experiments.rewiring.competition.study import STUDY as COMPETITION
from jaxrec.experiments.rewiring.games.study import STUDY as GAMES
from jaxrec.experiments.rewiring.learning.study import STUDY as LEARNING
from jaxrec.experiments.rewiring.market.study import STUDY as MARKET
from jaxrec.experiments.rewiring.santos.study import STUDY as SANTOS

STUDIES = (BASELINES, SANTOS, COMPETITION, GAMES, LEARNING, MARKET)

__all__ = ["STUDIES"]

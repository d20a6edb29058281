"""What do recommenders do to cooperation in games beyond the prisoner's dilemma?

Carvalho, "Modelling the Recommender Alignment Problem", section 8, asks for games beyond the dilemma, such as public
goods; Santos, Santos & Pacheco 2008 for those.
"""

from jaxrec.experiments.rewiring.games.claims import claims
from jaxrec.experiments.rewiring.games.measure import measure
from jaxrec.experiments.rewiring.games.report import report
from jaxrec.experiments.rewiring.games.settings import GamesConfig
from jaxrec.experiments.study import Study

__all__ = ["STUDY", "GamesConfig"]

PRESETS = {
    "quick": GamesConfig(),
    "large": GamesConfig(users=500, degree=30, beta=0.005, points=13, runs=20, goods_runs=60, steps=500_000),
}

STUDY = Study(
    "rewiring-games",
    "Stag hunts, snowdrifts, harmony and public goods under fixed recommenders (Carvalho, section 8)",
    PRESETS,
    measure,
    claims,
    report,
    {"quick": "200 users at a strong selection: where games turn at the paper's sizes is for the preset `large`"},
    {"quick": 2},
)

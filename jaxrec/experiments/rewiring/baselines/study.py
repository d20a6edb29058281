"""The paper's baselines: cooperation without rewiring, five heuristics over W, eleven recommenders.

Carvalho, "Modelling the Recommender Alignment Problem", section 3.3 (Figures 5 and 6) and section 4.3 (Figures 13, 14).
"""

from jaxrec.experiments.rewiring.baselines.claims import claims
from jaxrec.experiments.rewiring.baselines.measure import measure
from jaxrec.experiments.rewiring.baselines.report import report
from jaxrec.experiments.rewiring.baselines.settings import BaselinesConfig
from jaxrec.experiments.study import Study

__all__ = ["STUDY", "BaselinesConfig"]

PRESETS = {
    "quick": BaselinesConfig(),
    "paper": BaselinesConfig(
        runs=40,
        plane_runs=30,
        scatter_runs=30,
        corner_runs=30,
        course_runs=30,
        timescales=(0.1, 0.2, 0.454, 0.7, 1.066, 1.5, 2.087, 3.107, 5.0, 7.0, 10.25),
    ),
}

STUDY = Study(
    "rewiring-baselines",
    "Fixed recommenders and cooperation (Carvalho, Figs 5, 6, 13, 14)",
    PRESETS,
    measure,
    claims,
    report,
    {"quick": "8 runs a cell leave orderings of close recommenders open, and the T x S plane has two runs a cell"},
    {"quick": 2, "paper": 5},
)

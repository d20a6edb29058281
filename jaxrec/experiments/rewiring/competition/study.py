"""Do users adopt the recommender that serves them, or the one that keeps them busy?

Carvalho, "Modelling the Recommender Alignment Problem", section 5: Figures 15 and 16, Table 6. The author's program
never focuses one of the users, who becomes a star; the paper's Figure 15 carries that artefact, and it is shown here
next to the corrected result. Recommenders are exclusive in the paper's text; its results about adoption come out where
they are not, so that all is run both ways.
"""

import numpy as np

from jaxrec.experiments.rewiring.competition.claims import claims
from jaxrec.experiments.rewiring.competition.measure import measure
from jaxrec.experiments.rewiring.competition.report import report
from jaxrec.experiments.rewiring.competition.settings import CompetitionConfig
from jaxrec.experiments.study import Study

__all__ = ["STUDY", "CompetitionConfig"]

FIGURE_15 = (
    0.0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.063, 0.07,
    0.08, 0.09, 0.1, 0.11, 0.12, 0.13, 0.14, 0.15, 0.175, 0.2,
)  # fmt: skip
"""Values of W2, recommender updates for each other update."""

PRESETS = {
    "quick": CompetitionConfig(),
    "paper": CompetitionConfig(runs=15, steps=10_000_000, adoption_runs=30, adoption_steps=10_000_000),
    "figure15": CompetitionConfig(
        timescales=(1.0, 1.2, 1.6, 2.0),
        recommender_timescales=FIGURE_15,
        runs=30,
        steps=10_000_000,
        adoption_runs=30,
        adoption_steps=10_000_000,
    ),
    "sweep": CompetitionConfig(
        users=500,
        timescales=(0.5, 1.0, 2.0, 3.0, np.inf),
        recommender_timescales=(0.01, 0.03, 0.1, 0.5, np.inf),
        runs=30,
        steps=1_000_000,
        artefact=False,
        adoption_runs=30,
        adoption_steps=400_000,
        stop_at_fixation=True,
        adoption_timescale=0.1,
        wall_users=0,
    ),
}

STUDY = Study(
    "rewiring-competition",
    "Recommenders compete for users (Carvalho, Figs 15, 16, Table 6)",
    PRESETS,
    measure,
    claims,
    report,
    {"quick": "a fifth of the published 10^7 time-steps: shares of slow recommenders are still on their way"},
    {"quick": 4, "figure15": 64, "sweep": 2},
)

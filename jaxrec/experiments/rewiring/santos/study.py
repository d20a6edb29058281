"""The base model: how fast users must leave bad ties for cooperation to prevail.

Santos, Pacheco & Lenaerts 2006, "Cooperation prevails when individuals adjust their social ties", as described by
Carvalho, "Modelling the Recommender Alignment Problem", section 3: the local heuristic alone.
"""

from jaxrec.experiments.rewiring.santos.claims import claims
from jaxrec.experiments.rewiring.santos.measure import measure
from jaxrec.experiments.rewiring.santos.report import report
from jaxrec.experiments.rewiring.santos.settings import SantosConfig
from jaxrec.experiments.study import Study

__all__ = ["STUDY", "SantosConfig"]

PRESETS = {
    "quick": SantosConfig(),
    "paper": SantosConfig(
        runs=40, plane_users=1000, plane_points=11, plane_runs=3, plane_steps=5_000_000,
        timescales=(0.0, 1.0, 2.0, 3.0, 3.5, 3.75, 4.0, 4.25, 4.5, 5.0),
    ),
}  # fmt: skip

STUDY = Study(
    "rewiring-santos",
    "The base model: cooperation over W (Santos, Pacheco & Lenaerts 2006)",
    PRESETS,
    measure,
    claims,
    report,
    {"quick": "16 runs at each W tell W_c to about 0.3; the T x S plane is one run a cell, of 200 users"},
    {"quick": 2},
)

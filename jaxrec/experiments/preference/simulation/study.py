"""Recommenders trained in a model of users that was learned from logs, and what they do when they are deployed.

Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender
Systems", section 7.2, Table 2.
"""

from jaxrec.experiments.preference.simulation.claims import claims
from jaxrec.experiments.preference.simulation.measure import measure
from jaxrec.experiments.preference.simulation.report import report
from jaxrec.experiments.preference.simulation.settings import SimulationConfig
from jaxrec.experiments.study import Study

__all__ = ["STUDY", "SimulationConfig"]

QUICK = SimulationConfig(seeds=3, steps=64_000, eval_episodes=500)
PAPER = SimulationConfig(seeds=5)

STUDY = Study(
    "preference-simulation",
    "Recommenders trained in a model learned from logs, held against training among users (Carroll et al., Table 2)",
    {"quick": QUICK, "paper": PAPER},
    measure,
    claims,
    report,
    {"quick": "three seeds and half the training steps: recommenders have not converged, and intervals are wide"},
    {"paper": 8},
)

"""Recommenders that shift preferences, and recommenders penalised for it.

Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender
Systems", section 7 and Appendix G: Table 1, Figures 1 and 7.
"""

import dataclasses

from jaxrec.agents import PPOSettings
from jaxrec.experiments.preference.shift.claims import claims
from jaxrec.experiments.preference.shift.measure import measure
from jaxrec.experiments.preference.shift.report import report
from jaxrec.experiments.preference.shift.settings import ENV, ShiftConfig
from jaxrec.experiments.study import Study

__all__ = ["ENV", "STUDY", "ShiftConfig"]

QUICK = ShiftConfig()
PARETO = dataclasses.replace(QUICK, penalties=(0.0, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0))
PAPER = ShiftConfig(
    seeds=5,
    steps=60_000,
    ppo=PPOSettings(
        num_envs=120, num_steps=10, num_epochs=50, num_minibatches=2, learning_rate=5e-3, clip_eps=0.5,
        value_clip_eps=50.0, vf_coef=8.0,
    ),
)  # fmt: skip

STUDY = Study(
    "preference-shift",
    "Recommenders that shift preferences, and penalised for it (Carroll et al., Table 1, Figures 1 and 7)",
    {"quick": QUICK, "pareto": PARETO, "paper": PAPER},
    measure,
    claims,
    report,
    {"quick": "only the penalties 0 and 1 are learned: how engagement falls with it takes the preset `pareto`"},
    {"quick": 4},
)

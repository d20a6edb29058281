"""Mitigations of user tampering: what they cost in clicks, and how much tampering they leave.

Evans & Kasirzadeh, "User Tampering in Reinforcement Learning Recommender Systems", conclusion: a recommender built
solely on reinforcement learning is either unsafe, or almost certainly commercially unviable.
"""

from jaxrec.agents import QLearningSettings
from jaxrec.experiments.polarising.mitigations.claims import claims
from jaxrec.experiments.polarising.mitigations.measure import measure
from jaxrec.experiments.polarising.mitigations.report import report
from jaxrec.experiments.polarising.mitigations.settings import MitigationsConfig
from jaxrec.experiments.study import Study

__all__ = ["STUDY", "MitigationsConfig"]

PRESETS = {
    "quick": MitigationsConfig(weights=(0.0, 0.5, 0.9, 1.0), gammas=(0.0, 0.9), episodes=1_500_000),
    "converged": MitigationsConfig(
        seeds=5,
        episodes=60_000_000,
        q_learning=QLearningSettings(visit_weight=3.0, td_lambda=0.4),
        evaluation_episodes=10_000,
    ),
}

STUDY = Study(
    "mitigations",
    "Is what is safe unviable? Clicks against tampering by what is paid and how far is looked (Evans & Kasirzadeh)",
    PRESETS,
    measure,
    claims,
    report,
    {"quick": "1.5 million episodes do not converge: learners tamper and earn less than they would later"},
    {"quick": 5},
)

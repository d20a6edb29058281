"""User tampering: does a recommender that learns from clicks learn to polarise its users?

Evans & Kasirzadeh, "User Tampering in Reinforcement Learning Recommender Systems", section 4, with the control their
Definition 2 asks for: the same learner in a world where what it recommends does not change users (`influence` 0).
"""

from jaxrec.agents import QLearningSettings
from jaxrec.experiments.polarising.tampering.claims import claims
from jaxrec.experiments.polarising.tampering.measure import measure
from jaxrec.experiments.polarising.tampering.report import report
from jaxrec.experiments.polarising.tampering.settings import TamperingConfig
from jaxrec.experiments.study import Study

__all__ = ["STUDY", "TamperingConfig"]

PRESETS = {
    "quick": TamperingConfig(),
    "paper": TamperingConfig(
        episodes=50_000_000,
        q_learning=QLearningSettings(
            num_envs=16384, num_steps=1, epsilon_start=0.1, epsilon_end=0.1, step_size="geometric", td_lambda=0.0
        ),
    ),
    "converged": TamperingConfig(episodes=60_000_000, q_learning=QLearningSettings(visit_weight=3.0, td_lambda=0.4)),
}

STUDY = Study(
    "tampering",
    "Q-learning learns to polarise its users (Evans & Kasirzadeh)",
    PRESETS,
    measure,
    claims,
    report,
    {"quick": "4 million episodes, a twelfth of the paper's, do not converge; those of the preset `converged` do"},
    {"quick": 2, "paper": 35, "converged": 23},
)

"""What do recommenders learn that must win their users, and what once they have won them?

Carvalho, "Modelling the Recommender Alignment Problem", section 8: the first item of its future work, with the
competition of section 5.
"""

from jaxrec.experiments.rewiring.market.claims import claims
from jaxrec.experiments.rewiring.market.measure import measure
from jaxrec.experiments.rewiring.market.report import report
from jaxrec.experiments.rewiring.market.settings import MarketConfig
from jaxrec.experiments.study import Study

__all__ = ["STUDY", "MarketConfig"]

PRESETS = {
    "quick": MarketConfig(),
    "hundred": MarketConfig(
        users=(30, 100),
        steps=(60_000, 40_000),
        warm_start=True,
        evaluation_users=(30, 100),
        evaluation_episodes=(64, 16),
        bait_episodes=32,
    ),
    "long": MarketConfig(
        users=(30, 100),
        steps=(2_000_000, 2_000_000),
        num_envs=32,
        num_steps=512,
        evaluation_users=(30, 100, 1000),
        evaluation_episodes=(512, 128, 4),
        bait_episodes=512,
    ),
}

STUDY = Study(
    "rewiring-market",
    "Recommenders learn while they compete for users (Carvalho, section 8)",
    PRESETS,
    measure,
    claims,
    report,
    {
        "quick": "societies of 30 users, and trainings too short to say what learners do in the end",
        "hundred": "trainings too short to say what learners do in the end: among 100 users one to three episodes of "
        "each of 16 societies a seed",
    },
    {"quick": 7, "hundred": 40},
)

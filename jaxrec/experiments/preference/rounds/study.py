"""Recommending as a slow game: platforms log, learn their users off line, deploy what that trained, and log again.

Lambert 2020, "Recommendations are a game - a dangerous game (for us)", section "Reinforcement Learning with Humans and
Computers in the Loop": batch reinforcement learning in rounds; "Clickthrough led to clickbait". Users and the method of
each round: Carroll et al. 2022, sections 4 and 5.
"""

import dataclasses

from jaxrec.experiments.preference.models import UserModelSettings
from jaxrec.experiments.preference.rounds.claims import claims
from jaxrec.experiments.preference.rounds.measure import measure
from jaxrec.experiments.preference.rounds.report import report
from jaxrec.experiments.preference.rounds.settings import RoundsConfig
from jaxrec.experiments.study import Study

__all__ = ["STUDY", "RoundsConfig"]

QUICK = RoundsConfig(
    seeds=3,
    users=3_000,
    training_users=2_250,
    model=UserModelSettings(num_epochs=6),
    steps=51_200,
    eval_episodes=500,
)
LONG = dataclasses.replace(
    QUICK,
    seeds=5,
    users=10_000,
    training_users=7_500,
    model=UserModelSettings(num_epochs=8),
    rounds=6,
    counts=("click", "dwell"),
    penalties=(0.0, 1.0),
    steps=128_000,
    exact_users=20_000,
)

STUDY = Study(
    "retraining-rounds",
    "Platforms that log, learn their users off line and redeploy; users who stay, and who leave (Lambert)",
    {"quick": QUICK, "long": LONG},
    measure,
    claims,
    report,
    {"quick": "three seeds give wide intervals; learning platforms have two rounds and one kind of payment"},
    {"quick": 5},
)

"""Every society with the agents that fit it: is there an incentive to change users, and does the agent learn to?

Evans & Kasirzadeh, "User Tampering in Reinforcement Learning Recommender Systems", Definitions 1 and 2; Everitt et al.
2021, "Agent Incentives: A Causal Perspective".
"""

from jaxrec.agents import PPOSettings
from jaxrec.experiments.audits.claims import claims
from jaxrec.experiments.audits.measure import measure
from jaxrec.experiments.audits.report import report
from jaxrec.experiments.audits.settings import AuditsConfig
from jaxrec.experiments.preference.models import UserModelSettings
from jaxrec.experiments.study import Study

__all__ = ["STUDY", "AuditsConfig"]

PRESETS = {
    "quick": AuditsConfig(),
    "long": AuditsConfig(
        seeds=5,
        table_timesteps=1_800_000_000,
        ppo_timesteps=5_000_000,
        split=True,
        evaluation_episodes=2_000,
        max_steps=1_000,
        hidden_size=64,
        ppo=PPOSettings(num_steps=30, learning_rate=1e-3),
        log_users=10_000,
        training_users=7_500,
        model=UserModelSettings(),
    ),
}

STUDY = Study(
    "audits",
    "Every society with the agents that fit it: could they use users as a means, do they learn to, and who pays?",
    PRESETS,
    measure,
    claims,
    report,
    {
        "quick": "networks learn for 200,000 steps and tables for 1 million episodes: that an agent is "
        "not accused does not say that it would not be later"
    },
    {"quick": 35},
)

"""Published numbers: Carroll et al. 2022, Table 1, oracle training and evaluation."""

METRICS = ("engagement", "engagement_initial", "engagement_natural")
"""r(u_t), r(u_0), r(u_t^rnd): metrics of PreferenceShift-v0, summed over an episode."""

TABLE_1 = {
    "myopic": (5.71, 1.99, 2.01),
    "rl": (7.49, -0.08, -1.09),
    "penalised myopic": (6.20, 3.61, 3.10),
    "penalised rl": (5.28, 6.21, 4.57),
}

BELIEF_OPTIMUM = {"rl": ("engagement", 6.885), "penalised rl": ("sum", 15.47)}
"""The best that can be had from slates and choices, without seeing preferences: point-based value iteration (Pineau,
Gordon & Thrun 2003) on these users with the default constants, undiscounted."""

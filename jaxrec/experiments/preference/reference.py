"""Published numbers: Carroll et al. 2022, Tables 1 and 2."""

METRICS = ("engagement", "engagement_initial", "engagement_natural")
"""r(u_t), r(u_0), r(u_t^rnd): metrics of PreferenceShift-v0, summed over an episode."""

TABLE_1 = {
    "myopic": (5.71, 1.99, 2.01),
    "rl": (7.49, -0.08, -1.09),
    "penalised myopic": (6.20, 3.61, 3.10),
    "penalised rl": (5.28, 6.21, 4.57),
}

TABLE_2 = {
    ("oracle", "oracle"): ((7.49, -0.08, -1.09), (5.28, 6.21, 4.57)),
    ("simulation", "oracle"): ((6.40, -1.24, -1.83), (5.48, 5.61, 4.43)),
    ("oracle", "estimated"): ((5.58, 1.28, 2.05), (5.42, 5.57, 3.88)),
    ("simulation", "estimated"): ((6.49, -0.80, 1.48), (5.78, 4.94, 4.41)),
}
"""By (training, evaluation): unpenalised and penalised RL, in the order of `METRICS`."""

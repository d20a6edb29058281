"""True value against optimisation pressure, for proxies, the mean of what users value, and a recommender that asks."""

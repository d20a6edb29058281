"""Recommenders trained in a model of users: Carroll et al., Table 2."""

"""Recommenders in competition for users: Carvalho's Figures 15 and 16 and Table 6."""

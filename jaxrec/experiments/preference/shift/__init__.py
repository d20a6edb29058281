"""Recommenders that shift preferences: Carroll et al., Table 1 and Figures 1 and 7."""

"""Preferences estimated from logs: Carroll et al., Figures 5, 6, 13 and 14."""

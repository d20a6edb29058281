"""Preferences estimated from logs: Carroll et al., Figures 5, 6, 9, 10, 13 and 14."""

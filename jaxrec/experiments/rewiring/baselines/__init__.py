"""Carvalho's heuristics alone: Figures 5, 6, 13 and 14."""

"""Recommenders that learn while they compete for users: Carvalho, section 8, the first item of future work."""

"""Recommenders that learn to rewire: Carvalho, section 4."""

"""Fixtures of learned users whose network infers exactly."""

from learned_oracle import oracle, prior, simulated, tables

__all__ = ["oracle", "prior", "simulated", "tables"]

"""Fixtures of learned users."""

from learned_oracle import oracle, prior, rough, simulated, tables

__all__ = ["oracle", "prior", "rough", "simulated", "tables"]

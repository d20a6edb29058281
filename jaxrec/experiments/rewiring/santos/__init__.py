"""Cooperation over W in the base model: Santos, Pacheco & Lenaerts 2006."""

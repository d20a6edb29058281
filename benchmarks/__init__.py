"""Measurements of speed, of which each is one command."""

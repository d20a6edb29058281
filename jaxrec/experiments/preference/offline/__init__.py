"""Offline learning: what recommenders learn from the logs of a platform, and what they do to its users."""

"""Platforms that learn their users off line and redeploy: Lambert, "Recommendations are a game"."""

"""Mitigations of user tampering: what they cost in clicks, and what they leave."""

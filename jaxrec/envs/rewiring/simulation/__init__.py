"""Whole runs of many societies at full speed."""

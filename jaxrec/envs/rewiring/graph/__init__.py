"""The graph of a society as bitsets, random draws from it, and random graphs to start from."""

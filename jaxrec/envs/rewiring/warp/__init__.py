"""Societies played by kernels of Pallas, each by one warp of a GPU: the same rules, in what Triton compiles."""

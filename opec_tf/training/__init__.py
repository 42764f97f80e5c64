"""Training: stages, strategies, the optimizer, and the folder that a run lives in."""

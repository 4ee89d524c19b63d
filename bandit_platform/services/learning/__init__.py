"""Predict, accumulate, learn: what walks the interactions, and how it is recomputed."""

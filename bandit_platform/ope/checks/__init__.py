"""Whether the data can tell: weights, propensities, shares."""

"""What a policy would have earned: one estimator a file, and what they share."""

"""Policies against each other, over all shoppers and by segment."""

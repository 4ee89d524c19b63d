"""Policies: a probability for each eligible arm, given a context. Only here is Vowpal Wabbit."""

"""Contextual-bandit experiments for offers in the purchase flow."""

__version__ = "0.1.0"

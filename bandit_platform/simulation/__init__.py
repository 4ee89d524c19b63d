"""Shoppers with a known truth, driven through the running service over HTTP."""

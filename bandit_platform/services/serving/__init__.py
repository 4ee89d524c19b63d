"""Answering shops: decisions, events, and what a process must know for them."""

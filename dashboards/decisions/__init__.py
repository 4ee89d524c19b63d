"""Decisions that were found, and the story of one."""

"""Confidence sequences: intervals that hold however often one looks."""

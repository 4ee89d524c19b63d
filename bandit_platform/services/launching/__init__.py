"""Experiments as teams define, try, start and change them."""

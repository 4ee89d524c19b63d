"""Logged decisions as checked columns, and the policies that a log alone defines."""

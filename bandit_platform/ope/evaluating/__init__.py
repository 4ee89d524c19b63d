"""Evaluations of logs, a piece at a time, in one process or on a cluster."""

"""Deployments: promoting, ramping, pinning and rolling back what serves an experiment."""

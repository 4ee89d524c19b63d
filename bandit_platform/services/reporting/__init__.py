"""What an experiment has shown, read from what was accumulated."""

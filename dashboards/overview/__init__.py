"""The list of experiments, and the overview of one."""

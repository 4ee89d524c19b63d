"""The page *Deployments*: the policies that serve an experiment, and their history."""

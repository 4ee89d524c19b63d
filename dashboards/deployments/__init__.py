"""The page of what serves an experiment."""

"""Questions: their form, their answer, and its charts and tables."""

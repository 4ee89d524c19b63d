"""What an experiment is: frozen values and pure functions, without input or output."""

"""An experiment as a form, what a change would do, its plan, its life and its history."""

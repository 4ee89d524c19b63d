"""The worker: its rounds, its lead, and what runs beside them."""

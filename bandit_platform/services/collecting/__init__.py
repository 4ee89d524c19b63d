"""From the journal to interactions: what arrived, counted and matured."""

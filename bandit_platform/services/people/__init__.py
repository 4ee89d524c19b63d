"""Users and keys: who may do what."""

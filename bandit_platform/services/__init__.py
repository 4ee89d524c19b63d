"""Use cases, one per file: each does one thing a user asks for, on the layers below."""

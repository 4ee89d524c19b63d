"""Which API key asked for a decision, in words."""

from __future__ import annotations


def asked_by(key_id: str | None, label: str, *, trusted: bool) -> str:
    """Page or server, and the label of its key (or the key's id)."""
    if key_id is None:
        return "unknown key"
    return f"{'server' if trusted else 'page'}, {label or key_id}"

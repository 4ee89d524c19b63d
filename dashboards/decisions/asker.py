"""Which API key asked for a decision, in words."""

from __future__ import annotations


def asked_by(key_id: str | None, label: str, *, trusted: bool) -> str:
    """A page or a server, by the label of its key, else by the key's id."""
    if key_id is None:
        return "no key recorded"
    return f"{'server' if trusted else 'page'}, {label or key_id}"

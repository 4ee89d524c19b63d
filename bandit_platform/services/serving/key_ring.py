"""The keys that a serving process knows, in memory, so that no request waits for the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bandit_platform.domain.access import Key
from bandit_platform.errors import UnavailableError


class KeyRing:
    """Keys by id. Replaced as a whole, so readers never wait."""

    def __init__(self) -> None:
        self._keys: Mapping[str, Key] | None = None
        self._origins: frozenset[str] = frozenset()
        self._uses: dict[str, datetime] = {}

    def replace(self, keys: Mapping[str, Key]) -> None:
        """Know these keys from now on."""
        self._origins = frozenset(origin for key in keys.values() for origin in key.origins)
        self._keys = keys

    def find(self, text: str, now: datetime) -> Key | None:
        """The valid key that a text is, or None; remembers that it was used.

        Raises:
            UnavailableError: no key is known yet, so a valid one cannot be told from another.
        """
        if self._keys is None:
            if text[:3] in {"pk_", "sk_"}:
                raise UnavailableError("keys are not loaded yet")
            return None
        key = self._keys.get(text[3:19])  # where the id stands in a key's text
        if key is None or not key.matches(text) or not key.is_valid(now):
            return None
        self._uses[key.key_id] = now
        return key

    def origins(self) -> frozenset[str]:
        """Every origin that some key declares."""
        return self._origins

    def take_uses(self) -> dict[str, datetime]:
        """When keys were last used, since this was last asked."""
        uses, self._uses = self._uses, {}
        return uses

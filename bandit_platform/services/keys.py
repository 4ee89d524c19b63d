"""Making, listing, rotating and revoking keys."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bandit_platform.domain.access import (
    Key,
    Role,
    check_origin,
    digest_of,
    key_id_of,
    new_key_text,
)
from bandit_platform.errors import InputError, NotFoundError
from bandit_platform.storage.database import Database
from bandit_platform.storage.keys import all_keys, insert_key, last_uses, revoke


@dataclass(frozen=True, kw_only=True)
class IssuedKey:
    """A new key with its text, which nobody can see again."""

    text: str
    key: Key


@dataclass(frozen=True, kw_only=True)
class ListedKey:
    """A key as it is listed."""

    key: Key
    last_used_at: datetime | None


class Keys:
    """The keys of a deployment."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def create(
        self,
        *,
        role: Role | None,
        label: str = "",
        experiments: Collection[str] | None = None,
        origins: Collection[str] = (),
        lifetime: timedelta | None = None,
    ) -> IssuedKey:
        """Issue a key.

        Args:
            role: what a secret key may do; None makes a publishable key.
            label: what people call it.
            experiments: those it opens; None for all.
            origins: web origins that may use it from a page.
            lifetime: how long it is valid; None for no end.

        Raises:
            InputError: an origin is malformed, or a secret key was given origins.
        """
        if role is not None and origins:
            raise InputError("a secret key must not be used from a page, so it has no origins")
        now = self._clock()
        return self._issue(
            Key(
                key_id="",
                digest="",
                role=role,
                experiments=None if experiments is None else frozenset(experiments),
                origins=frozenset(check_origin(origin) for origin in origins),
                label=label[:256],
                created_at=now,
                expires_at=None if lifetime is None else now + lifetime,
                revoked_at=None,
            )
        )

    def rotate(self, key_id: str, overlap: timedelta) -> IssuedKey:
        """Issue a key like another one, which stays valid for ``overlap`` more.

        Raises:
            NotFoundError: there is no such key.
        """
        with self._database.read() as connection:
            old = all_keys(connection).get(key_id)
        if old is None:
            raise NotFoundError("there is no key with this id")
        issued = self._issue(replace(old, created_at=self._clock(), revoked_at=None))
        self.revoke(key_id, overlap)
        return issued

    def revoke(self, key_id: str, overlap: timedelta = timedelta()) -> None:
        """Let a key end, at once or after a while.

        Raises:
            NotFoundError: there is no such key, or it has ended already.
        """
        with self._database.write() as connection:
            if not revoke(connection, key_id, self._clock() + overlap):
                raise NotFoundError("there is no valid key with this id")

    def all(self) -> list[ListedKey]:
        """Every key, oldest first."""
        with self._database.read() as connection:
            uses = last_uses(connection)
            return [
                ListedKey(key=key, last_used_at=uses.get(key_id))
                for key_id, key in all_keys(connection).items()
            ]

    def find(self, text: str) -> Key | None:
        """The valid key that a text is, or None."""
        key_id = key_id_of(text)
        if key_id is None:
            return None
        with self._database.read() as connection:
            key = all_keys(connection).get(key_id)
        valid = key is not None and key.matches(text) and key.is_valid(self._clock())
        return key if valid else None

    def _issue(self, template: Key) -> IssuedKey:
        text = new_key_text(publishable=template.publishable)
        key = replace(template, key_id=str(key_id_of(text)), digest=digest_of(text))
        with self._database.write() as connection:
            insert_key(connection, key)
        return IssuedKey(text=text, key=key)

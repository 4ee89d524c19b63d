"""Making, listing, rotating and revoking keys."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bandit_platform.domain.access import (
    Key,
    Role,
    digest_of,
    key_id_of,
    new_key_text,
)
from bandit_platform.domain.actor import PLATFORM, Actor
from bandit_platform.domain.audit_entry import subject_of
from bandit_platform.domain.origin import check_origin
from bandit_platform.domain.revision import Change
from bandit_platform.errors import InputError, NotFoundError, UnavailableError
from bandit_platform.storage.audit_log import note
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.keys import (
    all_keys,
    insert_key,
    last_uses,
    put_last_uses,
    revoke,
)

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_REMEMBER_EVERY = timedelta(minutes=1)


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
        self._written: dict[str, datetime] = {}

    def create(
        self,
        *,
        role: Role | None,
        label: str = "",
        experiments: Collection[str] | None = None,
        origins: Collection[str] = (),
        lifetime: timedelta | None = None,
        by: Actor = PLATFORM,
    ) -> IssuedKey:
        """Issue a key.

        Args:
            role: what a secret key may do; None makes a publishable key.
            label: what people call it.
            experiments: those it opens; None for all.
            origins: web origins that may use it from a page.
            lifetime: how long it is valid; None for no end.
            by: who issues it.

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
            ),
            by,
        )

    def rotate(self, key_id: str, overlap: timedelta, by: Actor = PLATFORM) -> IssuedKey:
        """Issue a key like another one, which stays valid for ``overlap`` more.

        The new one is valid for as long as the old one was meant to be.

        Raises:
            NotFoundError: there is no such key.
        """
        now = self._clock()
        with self._database.write() as connection:
            old = all_keys(connection).get(key_id)
            if old is None:
                raise NotFoundError("there is no key with this id")
            ends = old.expires_at and now + (old.expires_at - old.created_at)
            fresh = replace(old, created_at=now, expires_at=ends, revoked_at=None)
            issued = _insert(connection, fresh)
            if not revoke(connection, key_id, now + overlap):
                raise NotFoundError("there is no valid key with this id")
            self._note(
                connection,
                by,
                "key.rotated",
                old,
                _became("replaced by", issued.key.key_id),
                _became("ends", _minute(now + overlap)),
            )
        return issued

    def revoke(self, key_id: str, overlap: timedelta = timedelta(), by: Actor = PLATFORM) -> None:
        """Let a key end, at once or after a while.

        Raises:
            NotFoundError: there is no such key, or it has ended already.
        """
        ends = self._clock() + overlap
        with self._database.write() as connection:
            old = all_keys(connection).get(key_id)
            if old is None or not revoke(connection, key_id, ends):
                raise NotFoundError("there is no valid key with this id")
            self._note(connection, by, "key.revoked", old, _became("ends", _minute(ends)))

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
        if key is None or not key.matches(text) or not key.is_valid(self._clock()):
            return None
        self._remember_use(key_id)
        return key

    def _remember_use(self, key_id: str) -> None:
        """Store when the key was used; not so often that looking becomes writing."""
        now = self._clock()
        if now - self._written.get(key_id, _NEVER) < _REMEMBER_EVERY:
            return
        self._written[key_id] = now
        with suppress(UnavailableError), self._database.write() as connection:
            put_last_uses(connection, {key_id: now})

    def _issue(self, template: Key, by: Actor) -> IssuedKey:
        with self._database.write() as connection:
            issued = _insert(connection, template)
            key = issued.key
            told = {
                "label": key.label or None,
                "role": key.role or "publishable",
                "experiments": _listed(key.experiments),
                "origins": _listed(key.origins),
                "ends": _minute(key.expires_at) if key.expires_at else None,
            }
            differences = [_became(path, value) for path, value in told.items() if value]
            self._note(connection, by, "key.created", key, *differences)
        return issued

    def _note(
        self, connection: Connection, by: Actor, what: str, key: Key, *difference: Change
    ) -> None:
        subject = subject_of("key", key.key_id)
        note(connection, self._clock(), by, what, subject, difference=difference)


def _insert(connection: Connection, template: Key) -> IssuedKey:
    text = new_key_text(publishable=template.publishable)
    key = replace(template, key_id=str(key_id_of(text)), digest=digest_of(text))
    insert_key(connection, key)
    return IssuedKey(text=text, key=key)


def _became(path: str, value: object) -> Change:
    return Change(path=path, before=None, after=value)


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _listed(names: Collection[str] | None) -> str:
    return ", ".join(sorted(names or ()))

"""One-time links, as digests of their tokens."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from bandit_platform.storage.access_tables import LinkRow
from bandit_platform.storage.statements import table, to_micros

_LINK = table(LinkRow)


def insert_link(
    connection: Connection,
    digest: str,
    purpose: str,
    name: str | None,
    *,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Store a link; those of the same user that were not used open nothing any more."""
    if name is not None:
        connection.execute(delete(_LINK).where(_LINK.c.name == name, _LINK.c.used_at.is_(None)))
    connection.execute(
        _LINK.insert().values(
            digest=digest,
            purpose=purpose,
            name=name,
            created_at=to_micros(now),
            expires_at=to_micros(expires_at),
        )
    )


def open_link(connection: Connection, digest: str, now: datetime) -> tuple[str, str | None] | None:
    """Purpose and user's name of a link that still opens something."""
    row = connection.execute(
        select(_LINK.c.purpose, _LINK.c.name).where(
            _LINK.c.digest == digest,
            _LINK.c.used_at.is_(None),
            _LINK.c.expires_at > to_micros(now),
        )
    ).one_or_none()
    return None if row is None else (row.purpose, row.name)


def use_link(connection: Connection, digest: str, now: datetime) -> bool:
    """Use a link up; False if it was used before."""
    done = connection.execute(
        update(_LINK)
        .where(_LINK.c.digest == digest, _LINK.c.used_at.is_(None))
        .values(used_at=to_micros(now))
    )
    return done.rowcount == 1


def drop_links(connection: Connection, name: str) -> None:
    """Let every unused link of a user open nothing."""
    connection.execute(delete(_LINK).where(_LINK.c.name == name, _LINK.c.used_at.is_(None)))

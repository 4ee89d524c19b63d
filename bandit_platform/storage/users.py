"""Users and their sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from bandit_platform.domain.access import Role
from bandit_platform.domain.user import User
from bandit_platform.storage.access_tables import SessionRow, UserRow
from bandit_platform.storage.statements import from_micros, insert, table, to_micros

_USER = table(UserRow)
_SESSION = table(SessionRow)


def insert_user(connection: Connection, name: str, role: Role, now: datetime) -> bool:
    """Store a new user; False if the name is taken."""
    statement = insert(connection, _USER).values(name=name, role=role, created_at=to_micros(now))
    made = connection.execute(statement.on_conflict_do_nothing().returning(_USER.c.name))
    return made.one_or_none() is not None


def count_users(connection: Connection) -> int:
    """How many users there are."""
    return int(connection.execute(select(func.count()).select_from(_USER)).scalar_one())


def all_users(connection: Connection) -> list[User]:
    """Every user, by name."""
    return [_user(row) for row in connection.execute(select(_USER).order_by(_USER.c.name))]


def get_user(connection: Connection, name: str) -> User | None:
    """The user of that name."""
    row = connection.execute(select(_USER).where(_USER.c.name == name)).one_or_none()
    return None if row is None else _user(row)


def password_of(connection: Connection, name: str) -> str | None:
    """The hash of a user's password, if there is one."""
    found: str | None = connection.execute(
        select(_USER.c.password).where(_USER.c.name == name)
    ).scalar_one_or_none()
    return found


def put_password(connection: Connection, name: str, hashed: str) -> None:
    """Store the hash of a user's password."""
    connection.execute(update(_USER).where(_USER.c.name == name).values(password=hashed))


def put_role(connection: Connection, name: str, role: Role) -> None:
    """Store a user's role."""
    connection.execute(update(_USER).where(_USER.c.name == name).values(role=role))


def put_disabled(connection: Connection, name: str, moment: datetime | None) -> None:
    """Store since when a user may not sign in; None for one who may."""
    micros = None if moment is None else to_micros(moment)
    connection.execute(update(_USER).where(_USER.c.name == name).values(disabled_at=micros))


def insert_session(connection: Connection, digest: str, name: str, now: datetime) -> None:
    """Store that a user signed in."""
    micros = to_micros(now)
    connection.execute(
        _SESSION.insert().values(digest=digest, name=name, started_at=micros, seen_at=micros)
    )
    connection.execute(update(_USER).where(_USER.c.name == name).values(signed_in_at=micros))


def session_user(
    connection: Connection, digest: str, *, started: datetime, seen: datetime
) -> tuple[User, datetime] | None:
    """The active user of a session, and when it was last seen.

    Args:
        connection: to the database.
        digest: of the session's token.
        started: a session must not have begun before.
        seen: nor have been seen last before.
    """
    row = connection.execute(
        select(_USER, _SESSION.c.seen_at)
        .join(_SESSION, _SESSION.c.name == _USER.c.name)
        .where(
            _SESSION.c.digest == digest,
            _SESSION.c.started_at >= to_micros(started),
            _SESSION.c.seen_at >= to_micros(seen),
            _USER.c.disabled_at.is_(None),
        )
    ).one_or_none()
    return None if row is None else (_user(row), from_micros(row.seen_at))


def touch_session(connection: Connection, digest: str, now: datetime) -> None:
    """Store that a session was seen."""
    connection.execute(
        update(_SESSION).where(_SESSION.c.digest == digest).values(seen_at=to_micros(now))
    )


def end_session(connection: Connection, digest: str) -> None:
    """End one session."""
    connection.execute(delete(_SESSION).where(_SESSION.c.digest == digest))


def end_sessions(connection: Connection, name: str) -> None:
    """End every session of a user."""
    connection.execute(delete(_SESSION).where(_SESSION.c.name == name))


def end_sessions_seen_before(connection: Connection, moment: datetime) -> None:
    """Drop sessions that ended by themselves."""
    connection.execute(delete(_SESSION).where(_SESSION.c.seen_at < to_micros(moment)))


def _user(row: Row[Any]) -> User:
    return User(
        name=row.name,
        role=Role(row.role),
        has_password=row.password is not None,
        created_at=from_micros(row.created_at),
        disabled_at=_moment(row.disabled_at),
        signed_in_at=_moment(row.signed_in_at),
    )


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)

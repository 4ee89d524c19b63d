"""Attempts to sign in, counted for all processes on one database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, or_, select

from bandit_platform.storage.access_tables import AttemptRow
from bandit_platform.storage.statements import from_micros, table, to_micros

_ATTEMPT = table(AttemptRow)
_TURNS = int.from_bytes(b"sign-in", "big")
#: rows that are kept at most, however many addresses there are
MOST_ROWS = 20_000


def begin_counting(connection: Connection, now: datetime, window: timedelta) -> None:
    """Wait for others who count, and drop what does not count any more.

    Args:
        connection: a transaction that writes.
        now: the moment.
        window: how long an attempt counts; one from so far ahead was made before the clock was
            set back.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_TURNS)))
    connection.execute(
        delete(_ATTEMPT).where(
            or_(
                _ATTEMPT.c.at <= to_micros(now - window),
                _ATTEMPT.c.at > to_micros(now + window),
            )
        )
    )


def attempts_of(connection: Connection, who: str, most: int) -> list[datetime]:
    """When somebody's last attempts were, the newest first."""
    rows = connection.execute(
        select(_ATTEMPT.c.at)
        .where(_ATTEMPT.c.who == who)
        .order_by(_ATTEMPT.c.at.desc(), _ATTEMPT.c.number.desc())
        .limit(most)
    )
    return [from_micros(at) for at in rows.scalars()]


def note_attempts(connection: Connection, whos: Iterable[str], now: datetime) -> None:
    """Store an attempt, under every name it counts for; the oldest of very many are dropped."""
    connection.execute(insert(_ATTEMPT), [{"who": who, "at": to_micros(now)} for who in whos])
    newest = select(func.max(_ATTEMPT.c.number)).scalar_subquery()
    connection.execute(delete(_ATTEMPT).where(_ATTEMPT.c.number <= newest - MOST_ROWS))


def forget_attempts(connection: Connection, who: str) -> None:
    """Drop all of somebody's attempts."""
    connection.execute(delete(_ATTEMPT).where(_ATTEMPT.c.who == who))


def forget_newest_attempt(connection: Connection, who: str) -> None:
    """Drop somebody's newest attempt."""
    newest = select(func.max(_ATTEMPT.c.number)).where(_ATTEMPT.c.who == who).scalar_subquery()
    connection.execute(delete(_ATTEMPT).where(_ATTEMPT.c.number == newest))

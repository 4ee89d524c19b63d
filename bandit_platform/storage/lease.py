"""One leader at a time: a row that its holder keeps renewing; and writers that take turns."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, or_, select, update

from bandit_platform.errors import LeaseError
from bandit_platform.storage.statements import insert, table, to_micros
from bandit_platform.storage.tables import LeaseRow

_LEASE = table(LeaseRow)
_WORK = "work"
_TURNS = int.from_bytes(b"bandit", "big")


def take_lease(connection: Connection, holder: str, now: datetime, length: timedelta) -> bool:
    """Take or renew the lead; False while somebody else holds it.

    A lease that ends later than anybody could have taken it was taken before the clock was set
    back, and does not count.
    """
    free = or_(
        _LEASE.c.holder == holder,
        _LEASE.c.expires_at < to_micros(now),
        _LEASE.c.expires_at > to_micros(now + 2 * length),
    )
    connection.execute(
        insert(connection, _LEASE)
        .values(name=_WORK, holder=holder, expires_at=0)
        .on_conflict_do_nothing()
    )
    taken = connection.execute(
        update(_LEASE)
        .where(_LEASE.c.name == _WORK, free)
        .values(holder=holder, expires_at=to_micros(now + length))
    )
    return taken.rowcount == 1


def demand_lease(connection: Connection, holder: str) -> None:
    """Check, inside a transaction that writes, that the lead was not lost meanwhile.

    Raises:
        LeaseError: another worker leads; nothing of this transaction may count.
    """
    statement = select(_LEASE.c.holder).where(_LEASE.c.name == _WORK)
    if connection.dialect.name == "postgresql":
        statement = statement.with_for_update()
    if connection.execute(statement).scalar_one_or_none() != holder:
        raise LeaseError("another worker leads on this database")


def release_lease(connection: Connection, holder: str) -> None:
    """Give the lead up, so that the next worker need not wait."""
    connection.execute(
        update(_LEASE).where(_LEASE.c.name == _WORK, _LEASE.c.holder == holder).values(expires_at=0)
    )


def take_turns(connection: Connection) -> None:
    """Wait for every other transaction that called this, and keep later ones waiting.

    For writers that decide by what they read of each other's rows: an event stored while its
    decision is stored, or matures, elsewhere. SQLite's writers take turns anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_TURNS)))


def leader(connection: Connection) -> str | None:
    """Who leads, or led last."""
    return connection.execute(select(_LEASE.c.holder).where(_LEASE.c.name == _WORK)).scalar()

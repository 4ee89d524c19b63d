"""How far each journal segment was taken over."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from bandit_platform.storage.statements import put, table
from bandit_platform.storage.tables import JournalPositionRow

_POSITION = table(JournalPositionRow)


def journal_positions(connection: Connection) -> dict[str, int]:
    """Segment → bytes taken over."""
    return {row.segment: row.position for row in connection.execute(select(_POSITION))}


def put_journal_position(connection: Connection, segment: str, position: int) -> None:
    """Store a position, in the transaction that stores the records before it."""
    put(connection, JournalPositionRow, [{"segment": segment, "position": position}])


def forget_journal_position(connection: Connection, segment: str) -> None:
    """Drop the position of a deleted segment."""
    connection.execute(delete(_POSITION).where(_POSITION.c.segment == segment))

"""The few statements that SQLite and PostgreSQL both know but SQLAlchemy spells by dialect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def table(model: type[SQLModel]) -> Table:
    """The table behind a model."""
    return model.__table__  # type: ignore[attr-defined,no-any-return]


def to_micros(moment: datetime) -> int:
    """A moment as stored: microseconds since 1970 in UTC, exact."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """A stored moment."""
    return _EPOCH + timedelta(microseconds=micros)


def insert(connection: Connection, target: Table) -> Any:
    """An INSERT of the connection's dialect, which knows ON CONFLICT."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(target)


def insert_new(
    connection: Connection, model: type[SQLModel], rows: Sequence[Mapping[str, Any]]
) -> set[tuple[Any, ...]]:
    """Insert the rows whose primary key is not there yet.

    Returns:
        The primary keys of the rows that were really inserted.
    """
    if not rows:
        return set()
    target = table(model)
    statement = insert(connection, target).on_conflict_do_nothing()
    found = connection.execute(statement.returning(*target.primary_key), list(rows))
    return {tuple(row) for row in found}


def put(connection: Connection, model: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, or replace those with the same primary key."""
    if not rows:
        return
    target = table(model)
    keys = [column.name for column in target.primary_key]
    statement = insert(connection, target)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(
        statement.on_conflict_do_update(index_elements=keys, set_=changed), list(rows)
    )


def batches(values: Iterable[Any], size: int = 500) -> Iterable[list[Any]]:
    """The values in lists of at most ``size``, for IN clauses."""
    batch: list[Any] = []
    for value in values:
        batch.append(value)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch

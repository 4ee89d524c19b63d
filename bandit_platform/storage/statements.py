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
#: SQLite takes at most 32,766 values in a statement.
_MOST_VALUES = 10_000
#: Below, a statement of its own costs less than a table to copy into.
_WORTH_COPYING = 100


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
    if connection.dialect.name == "postgresql":
        if len(rows) >= _WORTH_COPYING:
            return _copied(connection, target, rows)
        statement = insert(connection, target).on_conflict_do_nothing()
        found = connection.execute(statement.returning(*target.primary_key), list(rows))
        return {tuple(row) for row in found}
    size = _MOST_VALUES // len(rows[0])
    return {key for some in batches(rows, size) for key in _inserted(connection, target, some)}


def _inserted(
    connection: Connection, target: Table, rows: Sequence[Mapping[str, Any]]
) -> list[tuple[Any, ...]]:
    """Many rows in one statement, without a detour through each value's description."""
    names, keys = _names(connection, target, rows)
    places = f"({', '.join('?' * len(rows[0]))})"
    found = connection.exec_driver_sql(
        f"INSERT INTO {target.name} ({names}) VALUES {', '.join([places] * len(rows))} "  # noqa: S608 - our own names
        f"ON CONFLICT DO NOTHING RETURNING {keys}",
        tuple(value for row in rows for value in row.values()),
    )
    return [tuple(row) for row in found]


def _copied(
    connection: Connection, target: Table, rows: Sequence[Mapping[str, Any]]
) -> set[tuple[Any, ...]]:
    """Rows by COPY into a table of this session's own, and from there what is new."""
    names, keys = _names(connection, target, rows)
    incoming = f"incoming_{target.name}"
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE {incoming} ON COMMIT DROP AS "  # noqa: S608 - our own names
        f"SELECT {names} FROM {target.name} WITH NO DATA"
    )
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {incoming} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(tuple(row.values()))
    found = connection.exec_driver_sql(
        f"INSERT INTO {target.name} ({names}) SELECT {names} FROM {incoming} "  # noqa: S608 - our own names
        f"ON CONFLICT DO NOTHING RETURNING {keys}"
    )
    new = {tuple(row) for row in found}
    connection.exec_driver_sql(f"DROP TABLE {incoming}")
    return new


def _names(
    connection: Connection, target: Table, rows: Sequence[Mapping[str, Any]]
) -> tuple[str, str]:
    quote = connection.dialect.identifier_preparer.quote
    keys = ", ".join(quote(column.name) for column in target.primary_key)
    return ", ".join(map(quote, rows[0])), keys


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

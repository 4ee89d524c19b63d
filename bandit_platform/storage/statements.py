"""The few statements that SQLite and PostgreSQL both know but SQLAlchemy spells by dialect."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
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
    return _EPOCH + timedelta(0, 0, micros)


def ascii_json(text: bytes) -> str:
    """JSON in ASCII, which every database can keep."""
    return text.decode() if text.isascii() else json.dumps(json.loads(text))


def insert(connection: Connection, target: Table) -> Any:
    """An INSERT of the connection's dialect, which knows ON CONFLICT."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(target)


def insert_many(
    connection: Connection,
    model: type[SQLModel],
    names: Sequence[str],
    values: Sequence[tuple[Any, ...]],
) -> set[tuple[Any, ...]] | None:
    """Insert the rows whose primary key is not there yet, where that is nearly always all of them.

    Asking nothing about each row takes half the time of :func:`insert_new`, which follows where a
    key is there.

    Args:
        connection: a transaction that writes.
        model: the table's.
        names: of the columns.
        values: rows, in the order of the names.

    Returns:
        The primary keys of the rows that were really inserted; None when all were.
    """
    if not values:
        return None
    driver: Any = connection.dialect
    connection.exec_driver_sql("SAVEPOINT many")
    try:
        _insert_all(connection, table(model), names, values)
    except driver.dbapi.IntegrityError:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT many")
        rows = [dict(zip(names, row, strict=True)) for row in values]
        return insert_new(connection, model, rows)
    except driver.dbapi.Error as error:  # the driver's own, as SQLAlchemy would have raised it
        raise DBAPIError(f"INSERT INTO {model.__tablename__}", None, error) from error
    connection.exec_driver_sql("RELEASE SAVEPOINT many")
    return None


def _insert_all(
    connection: Connection, target: Table, names: Sequence[str], values: Iterable[tuple[Any, ...]]
) -> None:
    quote = connection.dialect.identifier_preparer.quote
    columns = f"{target.name} ({', '.join(map(quote, names))})"
    if connection.dialect.name == "postgresql":
        _copy(connection, columns, values)
        return
    driver: Any = connection.connection.driver_connection
    places = ", ".join("?" * len(names))
    driver.executemany(f"INSERT INTO {columns} VALUES ({places})", values)  # noqa: S608 - our own names


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
        tuple(chain.from_iterable([row.values() for row in rows])),
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
    _copy(connection, f"{incoming} ({names})", [tuple(row.values()) for row in rows])
    found = connection.exec_driver_sql(
        f"INSERT INTO {target.name} ({names}) SELECT {names} FROM {incoming} "  # noqa: S608 - our own names
        f"ON CONFLICT DO NOTHING RETURNING {keys}"
    )
    new = {tuple(row) for row in found}
    connection.exec_driver_sql(f"DROP TABLE {incoming}")
    return new


def _copy(connection: Connection, columns: str, values: Iterable[tuple[Any, ...]]) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {columns} FROM STDIN") as copy:
        write_row = copy.write_row
        for row in values:
            write_row(row)


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

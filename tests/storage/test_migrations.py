from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, insert, inspect, select, text
from sqlmodel import SQLModel

from bandit_platform.errors import OutdatedError, StorageError
from bandit_platform.storage import tables
from bandit_platform.storage.database import Database, forms, newest_form
from bandit_platform.storage.positions import journal_positions, put_journal_position


def test_migrations_from_nothing_give_exactly_the_declared_tables(blank_url: str) -> None:
    assert tables.DecisionRow.metadata is SQLModel.metadata
    with closing(Database(blank_url)) as database:
        database.migrate()
        with database.read() as connection:
            context = MigrationContext.configure(
                connection, opts={"compare_type": True, "compare_server_default": True}
            )
            assert compare_metadata(context, SQLModel.metadata) == []
            found = set(inspect(connection).get_table_names())
    assert found == {*SQLModel.metadata.tables, "alembic_version"}


def test_a_database_is_current_after_migrating_and_only_then(blank_url: str) -> None:
    with closing(Database(blank_url)) as database:
        assert not database.is_current()
        database.migrate()
        assert database.is_current()


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.write() as connection:
        put_journal_position(connection, "segment", 7)
    database.migrate()
    with database.read() as connection:
        assert journal_positions(connection) == {"segment": 7}


def test_a_fresh_sqlite_database_is_made_ready(tmp_path: object) -> None:
    with closing(Database(f"sqlite:///{tmp_path}/new/folder/x.sqlite3")) as database:
        database.ensure_ready()
        assert database.is_current()
        database.ensure_ready()


@pytest.mark.parametrize("blank_url", ["postgres"], indirect=True)
def test_a_fresh_postgresql_database_demands_migrate(blank_url: str) -> None:
    with closing(Database(blank_url)) as database:
        with pytest.raises(StorageError, match="run: bandit-platform migrate"):
            database.ensure_ready()
        assert not database.is_current()
        database.migrate()
        database.ensure_ready()


def test_a_database_of_a_later_version_is_a_storage_error(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from-the-future'"))
    assert not database.is_current()
    with pytest.raises(OutdatedError, match="a later version of bandit-platform; install that one"):
        database.ensure_ready()
    with pytest.raises(OutdatedError, match="a later version of bandit-platform; install that one"):
        database.migrate()


def test_the_newest_form_is_where_the_migrations_lead(sqlite_database: Database) -> None:
    with sqlite_database.read() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    assert found == newest_form()


def test_tables_of_a_development_version_are_refused(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0016'"))
    assert not database.is_current()
    with pytest.raises(OutdatedError, match=r"a development version.*start with an empty database"):
        database.migrate()


def stored(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, by the columns it has at the moment."""
    with database.read() as connection:
        found = MetaData()
        found.reflect(connection)
        return {
            name: [dict(row) for row in connection.execute(select(each)).mappings()]
            for name, each in found.tables.items()
            if name != "alembic_version"
        }


def fill(database: Database, names: set[str]) -> None:
    """A row into each of the tables, with a value in every column."""
    with database.write() as connection:
        found = MetaData()
        found.reflect(connection)
        for name in names:
            row = {}
            for column in found.tables[name].columns:
                kind = column.type.python_type
                row[column.name] = f"{name} {column.name}" if kind is str else kind(1)
            connection.execute(insert(found.tables[name]), [row])


def test_every_step_from_the_first_tables_keeps_every_row(blank_url: str) -> None:
    with closing(Database(blank_url)) as database:
        before: dict[str, list[dict[str, Any]]] = {}
        for form in forms():
            database.migrate(form)
            with database.read() as connection:
                current = MigrationContext.configure(connection).get_current_revision()
            assert current == form
            now = stored(database)
            for name, rows in before.items():
                kept = [{column: new[column] for column in rows[0]} for new in now[name]]
                assert kept == rows, (form, name)
            fill(database, {name for name, rows in now.items() if not rows})
            before = stored(database)
            assert all(before.values())
        assert database.is_current()
        with database.read() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, SQLModel.metadata) == []

"""One database: connections, transactions and migrations, alike on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from bandit_platform.errors import InputError, OutdatedError, StorageError
from bandit_platform.private_files import make_file, make_folder

__all__ = ["Connection", "Database"]

_MIGRATIONS = Path(__file__).parent / "migrations"
_EARLIER = "the tables are not up to date; run: bandit-platform migrate"
#: what PostgreSQL calls that
_MISSING = frozenset({"UndefinedTable", "UndefinedColumn"})
_DEVELOPMENT = (
    "the tables were made by a development version that this one does not read; "
    "start with an empty database"
)
_LATER = "the tables were made by a later version of bandit-platform; install that one"


#: Statements that each SQLite connection keeps prepared. Those that insert many rows take 100 KB,
#: and each number of rows has its own: with 128, which is usual, the worker grew for hours.
_PREPARED = 16


class Database:
    """Hands out transactions on one database."""

    def __init__(
        self, url: str, *, busy_seconds: float = 10.0, lock_seconds: float | None = None
    ) -> None:
        """Prepare, without connecting yet.

        Args:
            url: SQLAlchemy address.
            busy_seconds: how long to wait for another writer (SQLite) or a connection.
            lock_seconds: how long to wait for a lock (PostgreSQL); None for as long as it takes.

        Raises:
            InputError: the address cannot be read, or names a database that is not supported.
        """
        try:
            parsed = make_url(url)
        except (SQLAlchemyError, ValueError):
            raise InputError("the database address cannot be read") from None
        if parsed.drivername in {"postgresql", "postgres"}:
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
            raise InputError("the database address must begin with sqlite: or postgresql:")
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite and parsed.database:
            make_folder(Path(parsed.database).parent)
        options: dict[str, Any] = {} if self.is_sqlite else {"pool_pre_ping": True}
        name = "timeout" if self.is_sqlite else "connect_timeout"
        arguments: dict[str, Any] = {name: max(1, int(busy_seconds))}
        if self.is_sqlite:
            arguments["cached_statements"] = _PREPARED
        if lock_seconds is not None and not self.is_sqlite and "options" not in parsed.query:
            arguments["options"] = f"-c lock_timeout={int(lock_seconds * 1000)}"
        try:
            self._engine = create_engine(parsed, connect_args=arguments, **options)
        except (SQLAlchemyError, ModuleNotFoundError):
            raise InputError(
                "the database address needs a driver that is not installed; "
                "for PostgreSQL: pip install 'bandit-platform[postgres]'"
            ) from None
        if self.is_sqlite:
            path = parsed.database or ":"
            _prepare_sqlite(self._engine, None if ":" in path else Path(path), busy_seconds)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that changes rows; commits at the end, or changes nothing.

        Raises:
            StorageError: the database did not answer or refused.
        """
        with _translated(), self._engine.connect() as plain:
            connection = plain.execution_options(writes=True)
            with connection.begin():
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only looks.

        Raises:
            StorageError: the database did not answer or refused.
        """
        with _translated(), self._engine.connect() as connection, connection.begin():
            yield connection

    def migrate(self, form: str = "head") -> None:
        """Bring the tables to the newest form, or to an earlier one that they have not yet.

        Raises:
            OutdatedError: a later version made them, or a development version.
            StorageError: the database did not answer or refused.
        """
        from alembic import command  # noqa: PLC0415 - a quarter of a starting process's time
        from alembic.config import Config  # noqa: PLC0415
        from alembic.util import CommandError  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        config.attributes["engine"] = self._engine
        try:
            with _translated():
                command.upgrade(config, form)
        except CommandError as error:
            found = self._form()
            if found > newest_form():
                raise OutdatedError(_LATER) from error
            if found and found < first_form():
                raise OutdatedError(_DEVELOPMENT) from error
            raise StorageError(f"the tables cannot be migrated: {error}") from error

    def is_current(self) -> bool:
        """Whether the tables have the form this version works with."""
        return self._form() == newest_form()

    def _form(self) -> str:
        """The form the tables have; empty before the first one."""
        with self.read() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return ""
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars()
            return next(iter(found), "")

    def ensure_ready(self) -> None:
        """Migrate on SQLite; elsewhere demand that ``migrate`` was run.

        Raises:
            OutdatedError: the tables are not in the form this version works with.
            StorageError: the database did not answer.
        """
        if self.is_sqlite:
            if not self.is_current():
                self.migrate()
        elif (form := self._form()) != newest_form():
            raise OutdatedError(_LATER if form > newest_form() else _EARLIER)

    def shrink(self) -> None:
        """Let what was deleted leave SQLite's write-ahead log; elsewhere the server does it."""
        if self.is_sqlite:
            with _translated(), self._engine.connect() as connection:
                connection.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def forms() -> list[str]:
    """The numbers that the migrations' file names begin with, oldest first."""
    return sorted(path.name.split("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def newest_form() -> str:
    """The form that the migrations lead to."""
    return forms()[-1]


def first_form() -> str:
    """The oldest form that this version reads."""
    return forms()[0]


def _prepare_sqlite(engine: Engine, path: Path | None, busy_seconds: float) -> None:
    """Set every connection up; ``path`` is that of a file, if there is one."""

    @event.listens_for(engine, "do_connect")
    def _first(*_: Any) -> None:
        if path is not None:
            make_file(path)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where _begin says
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(busy_seconds * 1000)}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        if type(cause).__name__ in _MISSING:
            raise OutdatedError(_EARLIER) from error
        raise StorageError(f"the database: {type(cause).__name__}: {cause}") from error

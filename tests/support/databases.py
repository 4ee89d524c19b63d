"""Migrated, empty SQLite databases, copied instead of migrated anew for each test."""

from __future__ import annotations

import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

from bandit_platform.private_files import make_folder
from bandit_platform.storage.database import Database

#: how the database in a data folder is called
NAME = "bandit-platform.sqlite3"


def place_database(folder: Path, name: str = NAME) -> Path:
    """Puts a migrated, empty database into a folder, and gives the folder.

    Args:
        folder: made if it is missing; a data folder when ``name`` is left out.
        name: of the file.
    """
    make_folder(folder)
    path = folder / name
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(_migrated())
    return folder


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        with closing(Database(f"sqlite:///{path}")) as database:
            database.migrate()
        return path.read_bytes()

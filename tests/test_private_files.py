from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from bandit_platform.bootstrap import build, build_serving, build_worker
from bandit_platform.private_files import is_open, make_file, make_folder
from bandit_platform.settings import Settings
from bandit_platform.storage.database import Database


@pytest.fixture(autouse=True)
def _generous() -> Iterator[None]:
    """The usual umask, under which what nobody thought of can be read by everybody."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_a_deployment_makes_is_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "srv" / "data", refresh_seconds=3600.0)
    serving = build_serving(settings)
    serving.journal.append(b"\n")
    platform = build(settings)
    build_worker(settings).round()
    with closing(platform.database), platform.database.write():
        found = {path.name: mode(path) for path in settings.data_dir.iterdir()}
        journal = [mode(path) for path in settings.journal_dir.iterdir()]
    serving.registry.close()
    serving.upkeep.close()
    serving.journal.close()
    assert {"secret", "journal", "bandit-platform.sqlite3", "bandit-platform.sqlite3-wal"} <= set(
        found
    )
    assert {name for name, each in found.items() if each & 0o077} == set()
    assert journal
    assert all(each == 0o600 for each in journal)
    assert mode(settings.data_dir) == mode(tmp_path / "srv") == 0o700


def test_a_journal_that_comes_first_is_closed_too(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700


def test_what_is_there_keeps_its_permissions_and_content(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o750)
    path = folder / "file"
    path.write_text("kept")
    make_folder(folder)
    make_file(path)
    assert (mode(folder), mode(path), path.read_text()) == (0o750, 0o644, "kept")
    assert (is_open(folder), is_open(path), is_open(tmp_path / "absent")) == ("0750", "0644", None)
    folder.chmod(0o700)
    assert is_open(folder) is None


def test_a_database_in_memory_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(Database("sqlite:///:memory:")):
        assert list(tmp_path.iterdir()) == []


def test_locks_on_the_database_survive_further_connections(tmp_path: Path) -> None:
    """Where one is let go, whoever closes last elsewhere deletes the log others still write to."""
    path = tmp_path / "x.sqlite3"
    url = f"sqlite:///{path}"
    with closing(Database(url)) as database:
        database.migrate()
        with database.read() as connection:
            connection.execute(text("SELECT 1"))
            with closing(Database(url)) as second, second.read() as other:
                other.execute(text("SELECT 1"))
            program = (
                "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
                "c.execute('SELECT count(*) FROM experiment'); c.close()"
            )
            subprocess.run([sys.executable, "-c", program, str(path)], check=True)
            assert path.with_name("x.sqlite3-wal").exists()
        with database.write() as connection:
            connection.execute(text("INSERT INTO journal_position VALUES ('a', 1)"))
    with closing(sqlite3.connect(path)) as outside:
        assert outside.execute("SELECT count(*) FROM journal_position").fetchall() == [(1,)]

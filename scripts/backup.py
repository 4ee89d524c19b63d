"""Copy what a node cannot do without, while it runs: secret, journal and the SQLite database.

The journal is copied before the database, so that every acknowledged record is in at least one of
the copies; what is in both counts once, because ingest leaves rows alone that are already there.
With PostgreSQL the database is not copied: run ``pg_dump`` after this script.

    python scripts/backup.py /backups/2026-11-22

To restore, put the folder in the place of the data folder and start the processes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from bandit_platform.errors import InputError
from bandit_platform.journal.node import IDENTITY
from bandit_platform.journal.reader import segments
from bandit_platform.services.evaluation.export_register import REGISTER
from bandit_platform.settings import Settings, load_settings


def back_up(settings: Settings, target: Path) -> None:
    """Copy everything into a folder that does not exist yet, and has its name when it is whole."""
    os.umask(0o077)
    draft = target.with_name(f"{target.name}.unfinished")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    _copy(settings, draft)
    draft.rename(target)


def _copy(settings: Settings, folder: Path) -> None:
    for name in ("secret", REGISTER):
        if (settings.data_dir / name).exists():
            shutil.copy2(settings.data_dir / name, folder / name)
    journal = folder / "journal"
    journal.mkdir()
    # Without its identity the worker would wait for the old node as for one that is gone.
    if (settings.journal_dir / IDENTITY).exists():
        shutil.copy2(settings.journal_dir / IDENTITY, journal / IDENTITY)
    for path in segments(settings.journal_dir):
        try:
            shutil.copy2(path, journal / path.name)
        except FileNotFoundError:  # taken over by the database meanwhile
            continue
    if not settings.database_url:
        name = settings.database.removeprefix("sqlite:///")
        with (
            closing(sqlite3.connect(f"file:{name}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(folder / Path(name).name)) as copy,
        ):
            source.backup(copy)


def main() -> int:
    """Back up the node that the environment describes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", type=Path, help="a folder that does not exist yet")
    asked = parser.parse_args()
    try:
        settings = load_settings()
        _demand_sense(settings, asked.target)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    back_up(settings, asked.target)
    print(f"Backed up to {asked.target}.")
    if settings.database_url:
        print("The database is not in it: back it up now, PostgreSQL with pg_dump.")
    return 0


def _demand_sense(settings: Settings, target: Path) -> None:
    if target.exists():
        raise InputError(f"{target} exists; name a folder that does not")
    if not settings.journal_dir.is_dir():
        raise InputError(
            f"{settings.data_dir} is no data folder with a journal; run this with the settings of "
            "the node, in its working folder"
        )


if __name__ == "__main__":
    sys.exit(main())

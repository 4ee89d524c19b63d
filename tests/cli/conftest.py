"""Commands run in this process, on settings of the test's own folder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from bandit_platform.cli.main import main
from bandit_platform.storage.database import Database


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Callable[..., Ran]]:
    """Runs ``bandit-platform`` with arguments, as a shell would."""
    monkeypatch.setenv("BANDIT_PLATFORM_DATA_DIR", str(tmp_path / "data"))
    opened: list[Database] = []
    prepare = Database.__init__

    def remember(database: Database, *arguments: Any, **options: Any) -> None:
        prepare(database, *arguments, **options)
        opened.append(database)

    monkeypatch.setattr(Database, "__init__", remember)

    def command(*arguments: object) -> Ran:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["bandit-platform", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        while opened:
            opened.pop().close()  # as the end of a process does
        captured = capsys.readouterr()
        code = ended.value.code
        return Ran(status=0 if code is None else int(code), out=captured.out, err=captured.err)

    yield command
    structlog.reset_defaults()

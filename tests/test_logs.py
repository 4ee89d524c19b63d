"""Trouble that every request meets is one line in ten seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import structlog

from bandit_platform.errors import JournalError
from bandit_platform.journal.writer import JournalWriter
from bandit_platform.logs import SeldomLog, configure_logs, where_raised
from bandit_platform.services.serving import decide


@pytest.fixture(autouse=True)
def _as_in_production() -> Any:
    configure_logs()
    yield
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_repeated_trouble_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    log = SeldomLog(structlog.get_logger(), clock=lambda: now[0])
    for second in range(25):
        now[0] = float(second)
        log.error("full", error="no space")
        log.error("failed", kind="one", experiment="one")
        if second == 3:
            log.error("failed", kind="two", experiment="two")
    told = [(line["event"], line.get("suppressed")) for line in lines(capsys)]
    assert told.count(("full", None)) == 1
    assert told.count(("full", 9)) == 2
    assert [each for each in told if each[0] == "failed"] == [
        ("failed", None), ("failed", None), ("failed", 9), ("failed", 9),
    ]  # fmt: skip


def test_errors_are_told_apart_by_where_they_were_raised() -> None:
    def one() -> None:
        raise ValueError("x")

    def two() -> None:
        raise ValueError("x")

    found = set()
    for raising in (one, two, one):
        with pytest.raises(ValueError, match="x") as raised:
            raising()
        found.add(where_raised(raised.value))
    assert len(found) == 2


def test_decisions_on_a_full_disk_are_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spec: Any
) -> None:
    from bandit_platform.settings import Settings  # noqa: PLC0415
    from tests.cli.test_processes import decided  # noqa: PLC0415

    def full(*_: Any) -> None:
        raise JournalError("cannot write the journal: No space left on device")

    monkeypatch.setattr(JournalWriter, "append", full)
    monkeypatch.setattr(decide, "_seldom", SeldomLog(structlog.get_logger()))
    decided(Settings(data_dir=tmp_path / "data", refresh_seconds=3600), spec, 50)
    told = [line for line in lines(capsys) if line["event"] == "decision not recorded"]
    assert len(told) == 1

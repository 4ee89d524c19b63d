from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bandit_platform.cli.main import app
from bandit_platform.settings import Settings

run = CliRunner().invoke


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_setting_is_shown_with_its_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("bandit-platform.toml").write_text("port = 81\n")
    monkeypatch.setenv("BANDIT_PLATFORM_WORKERS", "3")
    found = json.loads(run(app, ["config", "--format", "json"]).stdout)["settings"]
    assert list(found) == [field.name for field in fields(Settings)]
    assert found["port"] == {"value": 81, "from": "bandit-platform.toml, line 1"}
    assert found["workers"] == {"value": 3, "from": "BANDIT_PLATFORM_WORKERS"}
    assert found["host"] == {"value": "127.0.0.1", "from": "default"}
    lines = run(app, ["config"]).stdout.splitlines()
    assert lines[4].split(maxsplit=2) == ["port", "81", "bandit-platform.toml, line 1"]


def test_secrets_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = "canary-of-32-characters-or-longer"
    monkeypatch.setenv("BANDIT_PLATFORM_SECRET", hidden)
    monkeypatch.setenv(
        "BANDIT_PLATFORM_DATABASE_URL", f"postgresql://shop:a@{hidden}@db:5/x?password={hidden}"
    )
    for arguments in (["config"], ["config", "--format", "json"]):
        shown = run(app, arguments).stdout
        assert hidden not in shown
        assert "postgresql://shop:********@db:5/x?password=********" in shown


def test_variables_that_set_nothing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANDIT_PLATFORM_PROT", "1")
    assert "BANDIT_PLATFORM_PROT is set and is not a setting" in run(app, ["config"]).output

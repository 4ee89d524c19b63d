from __future__ import annotations

import json
from dataclasses import fields
from importlib.metadata import version
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
    monkeypatch.setenv("BANDIT_PLATFORM_DATA", "/srv")
    monkeypatch.setenv("BANDIT_PLATFORM_XYZ", "1")
    monkeypatch.setenv("BANDIT_PLATFORM_WORKERS", "2")
    told = [
        "BANDIT_PLATFORM_DATA is set and is not a setting; did you mean BANDIT_PLATFORM_DATA_DIR?",
        "BANDIT_PLATFORM_PROT is set and is not a setting; did you mean BANDIT_PLATFORM_PORT?",
        "BANDIT_PLATFORM_XYZ is set and is not a setting",
    ]
    for command in (["config"], ["experiment", "list"], ["key", "list"]):
        assert run(app, command).stderr.splitlines() == told
    found = json.loads(run(app, ["config", "--format", "json"]).stdout)
    assert found["unknown_variables"] == [line.split()[0] for line in told]
    monkeypatch.setenv("BANDIT_NOTICES_TOLD", "1")  # a process whose parent has said so
    assert run(app, ["config"]).stderr == ""


@pytest.mark.parametrize("command", ["config", "migrate"])
def test_a_data_folder_that_others_can_open_is_told_of(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    monkeypatch.setenv("BANDIT_PLATFORM_DATA_DIR", str(folder))
    assert run(app, [command]).stderr == ""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    told = run(app, [command]).stderr
    assert told.startswith(f"{folder} can be opened by other users of this machine")
    assert "(its mode is 0755)" in told
    assert told.endswith(f"close it with: chmod 700 {folder}\n")
    folder.chmod(0o700)
    assert run(app, [command]).stderr == ""


def test_the_version_is_that_of_the_package() -> None:
    told = run(app, ["--version"])
    assert (told.exit_code, told.stdout) == (0, f"{version('bandit-platform')}\n")

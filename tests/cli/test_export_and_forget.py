"""The two commands, once as a shell meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.bootstrap import build, build_serving, build_worker
from bandit_platform.domain.lifecycle import Action
from bandit_platform.services.serving.query import Query
from bandit_platform.settings import Settings
from tests.support.databases import place_database

Command = Callable[..., Any]


@pytest.fixture
def data_dir(tmp_path: Path, spec: Any, clock: Any) -> Path:
    """A deployment with forty matured decisions, and a secret that puts no unit in the holdout."""
    settings = Settings(data_dir=place_database(tmp_path / "data"), refresh_seconds=3600)
    (settings.data_dir / "secret").write_text("of tests, longer than thirty-two bytes")
    platform = build(settings, clock)
    platform.apply_experiment(spec)
    platform.change_state(spec.key, Action.START)
    serving = build_serving(settings, clock)
    for number in range(40):
        query = Query(
            unit_id=f"unit-{number % 4}",
            context={"country": "GB"},
            request_key=None,
            eligible_arms=None,
            excluded_arms=(),
            defer_activation=False,
        )
        serving.decider.decide(spec.key, query)
    serving.journal.close()
    serving.registry.close()
    serving.upkeep.close()
    worker = build_worker(settings, clock)
    worker.round()
    clock.advance(4000)
    worker.round()
    return settings.data_dir


def in_a_process(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bandit_platform", *arguments],
        env={**os.environ, "BANDIT_PLATFORM_DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.processes
def test_an_export_says_how_to_evaluate_it_and_that_works(data_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "log.csv"
    done = in_a_process(data_dir, "export", "checkout-offers", "--format", "csv", "--out", str(out))
    assert "40 interactions" in done.stdout
    assert done.returncode == 0, done.stderr
    command = done.stdout.splitlines()[-1].split()
    evaluated = in_a_process(data_dir, *command[1:], "--format", "json")
    assert evaluated.returncode == 0, evaluated.stderr
    found = json.loads(evaluated.stdout)
    assert f"{found['n']} interactions of checkout-offers" in done.stdout
    assert found["reward_range"] == [-1.0, 2.0]


@pytest.mark.parametrize(
    "arguments",
    [
        ("checkout-offers", "--format", "xml", "--out", "x"),
        ("checkout-offers", "--out", "/nowhere/x.parquet"),
        ("unknown", "--out", "x.parquet"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    run: Command, data_dir: Path, arguments: tuple[str, ...]
) -> None:
    done = run("export", *arguments)
    assert done.status == 2
    assert len(done.err.strip().splitlines()) == 1


def test_forgetting_says_what_it_did_and_what_stays(run: Command, data_dir: Path) -> None:
    done = run("forget", "unit-1")
    assert done.status == 0, done.err
    assert "10  decisions" in done.out
    assert "stay" in done.out
    again = run("forget", "unit-1", "--format", "json")
    assert not any(json.loads(again.out)["removed"].values())
    assert "Nothing was kept" in run("forget", "unit-1").out


def test_forgetting_reaches_what_was_exported(run: Command, data_dir: Path, tmp_path: Path) -> None:
    stays, moved = tmp_path / "log.csv", tmp_path / "elsewhere.csv"
    for out in (stays, moved):
        run("export", "checkout-offers", "--format", "csv", "--out", str(out))
    moved = moved.rename(tmp_path / "archive.csv")
    before = len(stays.read_text().splitlines())
    done = run("forget", "unit-2", "--export", str(moved), "--format", "json")
    assert done.status == 0, done.err
    told = json.loads(done.out)
    rows = {Path(each["path"]).name: each["rows"] for each in told["exports"]}
    assert rows["log.csv"] == rows["archive.csv"] > 0
    assert told["removed"]["exported rows"] == 2 * rows["log.csv"]
    assert len(stays.read_text().splitlines()) == before - rows["log.csv"]
    assert stays.read_text() == moved.read_text()
    troubles = {Path(each["path"]).name: each["trouble"] for each in told["exports"]}
    assert troubles == {
        "log.csv": None,
        "archive.csv": None,
        "elsewhere.csv": "is not there any more",
    }
    assert "backups" in told["kept"]
    again = run("forget", "unit-3")
    assert f"in {stays}" in again.out
    assert f"Not searched: {tmp_path / 'elsewhere.csv'} is not there any more." in again.err
    missing = run("forget", "unit-3", "--export", str(tmp_path / "none.csv"))
    assert (missing.status, missing.out) == (2, "")


def test_a_file_whose_name_tells_no_kind_is_refused_unless_it_was_registered(
    run: Command, data_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "log.txt"
    run("export", "checkout-offers", "--format", "csv", "--out", str(out))
    moved = tmp_path / "moved.txt"
    moved.write_bytes(out.read_bytes())
    refused = run("forget", "unit-2", "--export", str(moved))
    assert (refused.status, refused.out) == (2, "")
    assert "its name does not tell what kind" in refused.err
    done = run("forget", "unit-2", "--export", str(out), "--format", "json")
    assert json.loads(done.out)["removed"]["exported rows"] > 0, done.err

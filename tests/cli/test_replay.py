"""Replay streams a log through the service and feeds back only what the log can answer."""

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

pytestmark = pytest.mark.processes

EXPERIMENT = """
key = "mail"
placement = "email"
[context]
age = { type = "number", required = true }
[[arms]]
key = "letter"
[reward]
window = "2s"
range = [-0.5, 1.0]
visit = 1.0
impression = -0.5
[policy]
floor = 0.5
publish_every = "1s"
[holdout]
share = 0.0
"""
COLUMNS = """
[arm]
column = "sent"
values = { "L" = "letter", "-" = "nothing" }
[propensity]
value = 0.5
[context]
age = { column = "age" }
[events]
visit = { column = "visited" }
impression = { shown = true }
"""
ROWS = 400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = Random(5)
    (tmp_path / "experiment.toml").write_text(EXPERIMENT)
    (tmp_path / "columns.toml").write_text(COLUMNS)
    rows = [
        f"{random.choice('L-')},{random.randint(18, 90)},{int(random.random() < 0.4)}"
        for _ in range(ROWS)
    ]
    (tmp_path / "log.csv").write_text("\n".join(["sent,age,visited", *rows, ""]))
    return tmp_path


def replay(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bandit_platform", "replay", str(folder)]
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_a_log_is_replayed_and_every_count_agrees(folder: Path) -> None:
    data = folder / "log.csv"
    done = replay(folder, "--data", str(data), "--exit", "--format", "json", "--rate", "100")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["reconciliation"]["ok"], report["reconciliation"]
    counts, driver = report["counts"], report["driver"]
    assert report["rows"] == counts["decisions"] == driver["decisions_sent"] == ROWS
    matched = report["matched"]
    assert 0.35 * ROWS < matched < 0.65 * ROWS
    assert matched == counts["interactions"] == counts["learned"]
    assert counts["not_activated"] == ROWS - matched
    assert counts["events"] == driver["events_sent"] > 0
    policies = {row["policy"]: row for row in report["policies"]}
    assert policies["always:nothing"]["whole_log"] == pytest.approx(0.4, abs=0.1)
    assert policies["always:letter"]["whole_log"] == pytest.approx(-0.1, abs=0.1)
    for name in ("always:nothing", "always:letter", "uniform"):
        value = policies[name]["value"]
        assert value["lower"] <= policies[name]["whole_log"] <= value["upper"]


def test_the_table_says_what_happened(folder: Path) -> None:
    done = replay(folder, "--data", str(folder / "log.csv"), "--exit", "--limit", "60")
    assert done.returncode == 0, done.stderr
    assert "60 logged rows" in done.stdout
    assert "Everything sent is accounted for." in done.stdout


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("columns.toml", '"age"', '"years"', "has no column years"),
        ("columns.toml", "value = 0.5", "value = 0.0", "propensity.value: must be a probability"),
        ("experiment.toml", "window", "windows", "reward.windows"),
        ("log.csv", "sent", "Sent", "has no column sent"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    folder: Path, file: str, old: str, new: str, message: str
) -> None:
    path = folder / file
    path.write_text(path.read_text().replace(old, new))
    done = replay(folder, "--data", str(folder / "log.csv"), "--exit")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""

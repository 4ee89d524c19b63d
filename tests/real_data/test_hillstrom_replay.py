"""Real customers: what the log says, and a short replay of it through the running service."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bandit_platform.services.evaluation.logged_data import LoggedData, read_logged_data
from bandit_platform.simulation.experiment_files import shipped_experiment
from bandit_platform.simulation.log_values import log_values

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("BANDIT_PLATFORM_DATA", ROOT.parent / "shared" / "data"))
DATA = FOLDER / "hillstrom" / "hillstrom.csv.gz"
REQUIRED = os.environ.get("BANDIT_PLATFORM_REQUIRE_DATA") == "1"

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(
        not DATA.exists() and not REQUIRED,
        reason=f"needs {DATA}; set BANDIT_PLATFORM_DATA to the folder with hillstrom/",
    ),
]


@pytest.fixture(scope="module")
def plain() -> LoggedData:
    return read_logged_data(shipped_experiment("hillstrom_email"), DATA)


def test_the_log_has_the_known_rows_and_rates(plain: LoggedData) -> None:
    assert Counter(plain.arms) == {"mens": 21_307, "womens": 21_387, "nothing": 21_306}
    assert plain.rewards.mean() == pytest.approx(0.146781, abs=5e-7)
    values = log_values(plain)
    assert values["always:mens"] == pytest.approx(0.182757, abs=5e-7)
    assert values["always:womens"] == pytest.approx(0.151400, abs=5e-7)
    assert values["always:nothing"] == pytest.approx(0.106167, abs=5e-7)
    assert np.all(plain.propensities == 1 / 3)
    assert plain.clipped == 0


def test_a_cost_per_e_mail_makes_nothing_the_best_arm(plain: LoggedData) -> None:
    costly = read_logged_data(shipped_experiment("hillstrom_email_costly"), DATA)
    assert costly.arms == plain.arms
    shown = np.array([arm != "nothing" for arm in costly.arms])
    assert np.allclose(costly.rewards, plain.rewards - 0.10 * shown)
    values = log_values(costly)
    assert max(values, key=lambda policy: values[policy]) == "always:nothing"
    assert costly.clipped == 0


@pytest.mark.parametrize("name", ["hillstrom_email", "hillstrom_email_costly"])
def test_a_short_replay_reconciles(name: str) -> None:
    command = [sys.executable, "-m", "bandit_platform", "replay", str(shipped_experiment(name))]
    options = ["--data", str(DATA), "--exit", "--format", "json", "--limit", "1500"]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["reconciliation"]["ok"], report["reconciliation"]
    assert report["rows"] == report["counts"]["decisions"] == 1500
    assert report["matched"] == pytest.approx(500, abs=100)
    assert report["counts"]["interactions"] == report["matched"]
    assert report["counts"]["not_activated"] == 1500 - report["matched"]
    for row in report["policies"]:
        if row["whole_log"] is not None:
            assert row["value"]["lower"] <= row["whole_log"] <= row["value"]["upper"]

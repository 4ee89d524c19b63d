from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "check_coverage.py"


@pytest.fixture(scope="module")
def found() -> list[dict[str, object]]:
    spec = importlib.util.spec_from_file_location("check_coverage", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = script
    spec.loader.exec_module(script)
    return script.check(runs=120, rows=2600, tuning_rows=100, seed=7)


@pytest.mark.parametrize("logger", ["iid", "adaptive", "drifting", "growing"])
@pytest.mark.parametrize("estimand", ["value", "uplift"])
def test_confidence_sequences_hold_at_every_row(found, logger: str, estimand: str) -> None:
    lines = [
        line
        for line in found
        if (line["logger"], line["estimand"]) == (logger, estimand)
        and not str(line["interval"]).startswith("peeked")
    ]
    assert lines
    assert all(line["passes"] for line in lines), lines


@pytest.mark.parametrize("interval", ["peeked normal", "peeked bootstrap"])
def test_intervals_looked_at_again_and_again_fail(found, interval: str) -> None:
    lines = [line for line in found if line["interval"] == interval]
    assert len(lines) == 2
    assert all(line["miscoverage"] > 0.2 for line in lines), lines

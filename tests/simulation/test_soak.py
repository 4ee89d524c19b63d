"""What the soak says of an outage, whatever was acknowledged during it."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from bandit_platform.simulation.outages import Outage, _latency

SCRIPT = Path(__file__).parents[2] / "scripts" / "soak.py"


@pytest.fixture(scope="module")
def soak() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("soak", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = script
    spec.loader.exec_module(script)
    yield script
    del sys.modules[spec.name]


def _found(during: list[float]) -> Outage:
    usual = _latency([0.004, 0.005, 0.006])
    return Outage(
        decisions_before=usual,
        decisions_during=_latency(during),
        events_before=usual,
        events_during=usual,
    )


def test_an_outage_in_which_nothing_was_acknowledged_is_a_finding(soak: ModuleType) -> None:
    figures, wrong = soak.judged(_found([]))
    assert wrong == ["decisions: nothing was acknowledged during the outage"]
    assert figures["decisions during"] == 0
    read = json.loads(json.dumps(figures, allow_nan=False))
    assert read["decisions, p99 ms"] == {"before": 5.0, "during": None}
    assert soak._printed(figures["decisions, median ms"]) == "5.0 before, none during"


@pytest.mark.parametrize(("during", "slow"), [([0.006], False), ([0.5], True)])
def test_slower_answers_are_wrong(soak: ModuleType, during: list[float], slow: bool) -> None:
    assert (soak.judged(_found(during))[1] != []) is slow


@pytest.mark.parametrize(("before", "after", "limit"), [(1.0, 2.0, "6.0"), (2.0, 1.0, "6.0")])
def test_the_limit_of_recoveries_allows_for_the_slower_of_two_measures(
    soak: ModuleType, monkeypatch: pytest.MonkeyPatch, before: float, after: float, limit: str
) -> None:
    here = SimpleNamespace(
        stage=None, shop=None, ledger=None, leads=None,
        finding=lambda part, figures: soak.Finding(part=part, figures=figures),
    )  # fmt: skip

    @contextmanager
    def ground() -> Iterator[Any]:
        yield here

    measures = iter([before, after])
    rounds = [
        SimpleNamespace(serving=1.0, working=5.9),
        SimpleNamespace(serving=7.0, working=None),
    ]
    monkeypatch.setattr(soak, "ground", ground)
    monkeypatch.setattr(soak, "slowness", lambda: next(measures))
    monkeypatch.setattr(soak, "crash_rounds", lambda *_, **__: rounds)
    found = soak.crashes(2, 0)
    assert found.figures["limit, s"].startswith(limit)
    assert found.figures["serving again, worst s"] == 7.0
    assert found.wrong == ["serving again took 7.0 s"]

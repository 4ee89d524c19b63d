from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.domain.decision import Decision
from bandit_platform.services.collecting.ingest import Ingest
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.services.reporting.trace import trace

KEY = "checkout-offers"


@pytest.fixture
def nodes(make_world: Callable[..., Any], database: Any, clock: Any, spec: Any) -> tuple[Any, Any]:
    """Two nodes, each with a journal of its own, on one database."""
    first, second = make_world(database, clock, "one"), make_world(database, clock, "two")
    first.launch(spec)
    return first, second


def both_decide(nodes: tuple[Any, Any], key: str, **second: Any) -> tuple[Decision, Decision]:
    """One request key on both nodes before either is ingested."""
    answers = [
        node.ask(f"unit of {key}", request_key=key, **changed).decision
        for node, changed in zip(nodes, ({}, second), strict=True)
    ]
    return answers[0], answers[1]


def measured_key(world: Any) -> str:
    """A request key whose unit is outside the holdout."""
    number = 0
    while world.decide(f"unit of probe-{number}").reason == "holdout":
        number += 1
    return f"probe-{number}"


def test_a_decision_that_two_nodes_made_differently_is_kept_and_left_out(
    nodes: tuple[Any, Any],
) -> None:
    first, second = nodes
    key = measured_key(first)
    kept, other = both_decide(nodes, key, excluded_arms=("insurance",))
    assert kept.decision_id == other.decision_id
    assert kept.pmf != other.pmf
    first.ingest()
    second.ingest()
    second.ingest()
    ((decision_id, text),) = first.rows("SELECT decision_id, other FROM dispute")
    assert decision_id == kept.decision_id
    assert json.loads(json.loads(text)["pmf"]) == list(other.pmf)
    assert first.counter("disputes") == 1
    first.settle()
    assert first.counter("disputed") == 1
    assert first.counter("disputed_late") == 0
    assert first.one("SELECT count(*) FROM immature") == 0
    assert (
        first.rows("SELECT 1 FROM interaction WHERE decision_id = :id", id=kept.decision_id) == []
    )
    assert first.one("SELECT arm FROM decision WHERE decision_id = :id", id=kept.decision_id) == (
        kept.arm
    )


def test_nodes_that_agree_dispute_nothing(nodes: tuple[Any, Any]) -> None:
    first, second = nodes
    key = measured_key(first)
    second.refresh()
    kept, other = both_decide(nodes, key)
    assert (kept.arm, kept.pmf) == (other.arm, other.pmf)
    first.ingest()
    second.ingest()
    assert first.rows("SELECT 1 FROM dispute") == []
    first.settle()
    assert first.one(
        "SELECT count(*) FROM interaction WHERE decision_id = :id", id=kept.decision_id
    )


def test_both_in_one_batch_are_noticed_too(nodes: tuple[Any, Any]) -> None:
    first, second = nodes
    key = measured_key(first)
    both_decide(nodes, key, excluded_arms=("insurance",))
    for path in list(second.folder.glob("*.jsonl")):
        (first.folder / Path(path).name).write_bytes(path.read_bytes())
    Ingest(first.database, first.folder).run_once()
    assert first.counter("disputes") == 1


def test_what_comes_after_maturity_is_counted_as_late(nodes: tuple[Any, Any]) -> None:
    first, second = nodes
    key = measured_key(first)
    kept, _ = both_decide(nodes, key, excluded_arms=("insurance",))
    first.settle()
    second.ingest()
    assert first.counter("disputed_late") == first.counter("disputes") == 1
    report = experiment_report(first.database, KEY, first.clock())
    (caution,) = [each for each in report.cautions if "two nodes" in each]
    assert caution.startswith("1 of 2 matured decisions are disputed: two nodes answered")
    told = trace(first.database, KEY, kept.decision_id)
    assert (told["status"], told["disputed"] is None) == ("disputed late", False)
    assert first.one(
        "SELECT count(*) FROM interaction WHERE decision_id = :id", id=kept.decision_id
    )

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.revision import (
    Change,
    changes,
    is_felt,
    is_repair,
    locked_changes,
)
from bandit_platform.domain.spec_file import parse_tables


@pytest.fixture
def tables(spec: ExperimentSpec) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(spec.to_json())
    return data


def changed(spec: ExperimentSpec, tables: dict[str, Any]) -> list[str]:
    return [str(change) for change in changes(spec, parse_tables(tables))]


def test_the_same_file_twice_is_no_difference(spec: ExperimentSpec, tables: dict[str, Any]) -> None:
    assert changes(spec, parse_tables(tables)) == ()


def test_a_changed_value_shows_both_sides(spec: ExperimentSpec, tables: dict[str, Any]) -> None:
    tables["policy"]["floor"] = 0.2
    tables["arms"][0]["offer"]["title"] = "Better seats"
    assert changed(spec, tables) == [
        "~ arms.upgrade.offer.title: 'Upgrade' → 'Better seats'",
        "~ policy.floor: 0.1 → 0.2",
    ]


def test_what_is_added_and_what_is_dropped(spec: ExperimentSpec, tables: dict[str, Any]) -> None:
    tables["arms"][0]["features"]["rank"] = 2.0
    del tables["arms"][1]["features"]["kind"]
    tables["candidates"] = []
    tables["candidates"].append({"name": "softer", "exploration": "softmax"})
    found = changed(spec, tables)
    assert "+ arms.upgrade.features.rank = 2.0" in found
    assert "- arms.insurance.features.kind (was 'partner')" in found
    assert "- candidates.greedier.exploration (was 'epsilon_greedy')" in found
    assert "+ candidates.softer.exploration = 'softmax'" in found


def test_an_arm_without_anything_but_its_key_is_a_difference(
    spec: ExperimentSpec, tables: dict[str, Any]
) -> None:
    tables["arms"].append({"key": "bare"})
    assert changed(spec, tables) == ["+ arms.bare.key = 'bare'"]
    (back,) = changes(parse_tables(tables), spec)
    assert str(back) == "- arms.bare.key (was 'bare')"


def test_arms_are_matched_by_name_not_by_place(
    spec: ExperimentSpec, tables: dict[str, Any]
) -> None:
    tables["arms"].insert(0, {"key": "first", "features": {"rank": 1.0}})
    assert changed(spec, tables) == [
        "+ arms.first.key = 'first'",
        "+ arms.first.features.rank = 1.0",
    ]


@pytest.mark.parametrize(
    ("way", "value", "path"),
    [
        (("placement",), "cart", "placement"),
        (("reward", "window"), "2h", "reward.window"),
        (("reward", "accept"), 0.5, "reward.accept"),
        (("reward", "purchase", "amount"), 0.02, "reward.purchase.amount"),
        (("reward", "review"), 0.1, "reward.review"),
        (("holdout", "share"), 0.2, "holdout.share"),
    ],
)
def test_what_data_depend_on_is_locked_with_a_reason(
    spec: ExperimentSpec, tables: dict[str, Any], way: tuple[str, ...], value: Any, path: str
) -> None:
    place = tables
    for step in way[:-1]:
        place = place[step]
    place[way[-1]] = value
    ((change, reason),) = locked_changes(changes(spec, parse_tables(tables)))
    assert change.path == path
    assert len(reason) > 20


def with_money(tables: dict[str, Any], currency: str | None, only: list[str]) -> Any:
    data = copy.deepcopy(tables)
    data["reward"].pop("currency", None)
    if currency is not None:
        data["reward"]["currency"] = currency
    return parse_tables({**data, "events": {"secret_only": only}})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((None, []), ("GBP", [])),
        ((None, []), (None, ["purchase"])),
        (("GBP", ["purchase"]), ("GBP", ["dismiss", "purchase"])),
        ((None, ["purchase", "dismiss"]), ("USD", ["dismiss", "purchase", "accept"])),
    ],
)
def test_what_only_keeps_strangers_out_is_never_locked(
    tables: dict[str, Any], before: Any, after: Any
) -> None:
    found = changes(with_money(tables, *before), with_money(tables, *after))
    assert found
    assert all(map(is_repair, found))
    assert all(map(is_felt, found))
    assert locked_changes(found) == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("GBP", []), ("USD", [])),
        (("GBP", []), (None, [])),
        ((None, ["purchase"]), (None, [])),
        ((None, ["purchase"]), (None, ["dismiss"])),
    ],
)
def test_what_was_declared_stays(tables: dict[str, Any], before: Any, after: Any) -> None:
    found = changes(with_money(tables, *before), with_money(tables, *after))
    assert [change for change, _ in locked_changes(found)] == list(found)
    assert not any(map(is_repair, found))


def test_arms_targeting_policy_and_report_stay_open(
    spec: ExperimentSpec, tables: dict[str, Any]
) -> None:
    open_changes = copy.deepcopy(tables)
    open_changes["owner"] = "somebody"
    open_changes["arms"] = [{**tables["arms"][0], "when": {}}, {"key": "new", "offer": {"x": 1}}]
    open_changes["policy"]["exploration"] = "softmax"
    open_changes["context"]["device"] = {"type": "category"}
    open_changes["report"]["time_zone"] = "Europe/London"
    open_changes["request"] = {"unknown": "drop", "lenient": True}
    differences = changes(spec, parse_tables(open_changes))
    assert {change.path.split(".")[0] for change in differences} == {
        "owner",
        "arms",
        "policy",
        "context",
        "report",
        "request",
    }
    assert locked_changes(differences) == ()


def test_a_change_reads_as_added_dropped_or_replaced() -> None:
    assert str(Change(path="a", before=None, after=1)) == "+ a = 1"
    assert str(Change(path="a", before=1, after=None)) == "- a (was 1)"
    assert str(Change(path="a", before=False, after=0.5)) == "~ a: False → 0.5"


def test_a_default_holdout_may_be_written_down_at_any_time(
    spec: ExperimentSpec, tables: dict[str, Any]
) -> None:
    tables.pop("holdout")
    unstated = parse_tables(tables)
    stated = parse_tables({**tables, "holdout": {"share": 0.05}})
    (change,) = changes(unstated, stated)
    assert str(change) == "+ holdout.share = 0.05"
    assert locked_changes((change,)) == ()
    assert not is_felt(change)
    assert changes(stated, unstated) == ()
    assert locked_changes(changes(unstated, spec))
    assert locked_changes(changes(spec, unstated))


def test_what_nobody_is_shown_differently_is_not_felt(
    spec: ExperimentSpec, tables: dict[str, Any]
) -> None:
    tables["owner"] = "growth"
    tables["report"] = {"time_zone": "Europe/London"}
    tables["candidates"] = []
    assert [is_felt(change) for change in changes(spec, parse_tables(tables))] != []
    assert not any(map(is_felt, changes(spec, parse_tables(tables))))
    tables["policy"]["floor"] = 0.2
    felt = [change.path for change in changes(spec, parse_tables(tables)) if is_felt(change)]
    assert felt == ["policy.floor"]

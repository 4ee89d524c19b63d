"""What was exported reads back as the same log, and gives the numbers of the live report."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bandit_platform.domain.decision import Decision
from bandit_platform.errors import InputError, NotFoundError
from bandit_platform.services.evaluation.decision_log import read_decision_log
from bandit_platform.services.evaluation.evaluate import EvaluationRequest, evaluate_log
from bandit_platform.services.evaluation.export import context_types, export
from bandit_platform.services.evaluation.log_writers import Kind
from bandit_platform.services.reporting.report import experiment_report
from tests.services.conftest import KEY, World

FILES = [
    ("parquet", "log.parquet"),
    ("csv", "log.csv"),
    ("csv", "log.csv.gz"),
    ("dsjson", "l.json"),
]


@pytest.fixture
def learned(lite: World, spec: Any) -> World:
    lite.launch(spec)
    lite.traffic(250)
    lite.settle()
    lite.learn()
    lite.refresh()
    lite.traffic(250)
    lite.settle()
    lite.learn()
    return lite


def write(world: World, out: Path, kind: str, *, targets: bool = False) -> int:
    return list(export(world.database, KEY, out, Kind(kind), targets=targets))[-1]


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_snips_of_the_file_is_snips_of_the_report(
    learned: World, tmp_path: Path, kind: str, name: str
) -> None:
    report = experiment_report(learned.database, KEY, learned.clock())
    live = {row.name: row.snips.value for row in report.policies}
    out = tmp_path / name
    targets = kind != "dsjson"
    assert write(learned, out, kind, targets=targets) == report.counts.interactions > 300
    asked = ["logging", "uniform", "always:nothing", "always:insurance"]
    learning = ["serving", "greedier"] if targets else []
    found = evaluate_log(
        EvaluationRequest(
            log=out,
            policies=tuple(asked + [f"column:{name}" for name in learning]),
            reward_range=(-1.0, 2.0),
        )
    )
    for row in found.policies:
        value = live[row.policy.removeprefix("column:")]
        assert row.estimates["snips"].value == pytest.approx(value, rel=1e-9), row.policy
    assert found.n == report.counts.interactions


def test_a_row_is_the_decision_with_its_reward(learned: World, tmp_path: Path) -> None:
    import pandas as pd  # noqa: PLC0415

    write(learned, tmp_path / "log.parquet", "parquet")
    frame = pd.read_parquet(tmp_path / "log.parquet")
    row = frame.iloc[-1]
    stored = learned.rows(
        "SELECT d.*, i.reward FROM decision d JOIN interaction i USING (decision_id)"
        " WHERE decision_id = :id",
        id=row["decision_id"],
    )[0]
    assert (row["arm"], row["unit_id"], row["reward"]) == (stored.arm, stored.unit, stored.reward)
    assert row["propensity"] == stored.propensity == json.loads(row["pmf"])[row["arm"]]
    assert json.loads(row["eligible_arms"]) == json.loads(stored.eligible)
    context = json.loads(stored.context)
    assert {name: row[f"context.{name}"] for name in context} == context
    assert frame["context.returning"].dtype == bool
    assert list(frame["decided_at"]) == sorted(frame["decided_at"])


def test_fields_of_every_revision_are_columns(
    learned: World, tmp_path: Path, spec_text: str
) -> None:
    learned.apply(
        spec_text.replace("[context]\n", '[context]\ndevice = { type = "category" }\n').replace(
            'returning = { type = "boolean" }', 'returning = { type = "category" }'
        )
    )
    learned.decide("one more", context={"device": "phone", "returning": "yes"})
    learned.settle()
    for kind, name in FILES[:2]:
        write(learned, tmp_path / name, kind)
        found = evaluate_log(
            EvaluationRequest(log=tmp_path / name, policies=("uniform",), reward_range=(-1.0, 2.0))
        )
        assert found.n > 300
    assert context_types([]) == {}


def test_a_failed_export_leaves_the_old_file_and_no_draft(learned: World, tmp_path: Path) -> None:
    out = tmp_path / "log.csv"
    out.write_text("as it was")
    with pytest.raises(NotFoundError):
        list(export(learned.database, "unknown", out, Kind.CSV))
    batches = export(learned.database, KEY, out, Kind.CSV)
    next(batches)
    batches.close()
    with pytest.raises(InputError, match="cannot be written"):
        list(export(learned.database, KEY, tmp_path / "none" / "log.csv", Kind.CSV))
    assert out.read_text() == "as it was"
    assert {path.name for path in tmp_path.iterdir()} >= {"log.csv"}
    assert list(tmp_path.glob(".*draft")) == []


def test_vowpal_wabbit_reads_the_dsjson(learned: World, tmp_path: Path) -> None:
    from vowpalwabbit import LabelType, Workspace  # noqa: PLC0415

    write(learned, tmp_path / "log.dsjson", "dsjson")
    model = Workspace("--cb_explore_adf --dsjson --quiet")
    for line in (tmp_path / "log.dsjson").read_text().splitlines()[:50]:
        examples = model.parse(line)
        logged = json.loads(line)
        costs = [e.get_label(LabelType.CONTEXTUAL_BANDIT).costs for e in examples]
        ((place, cost),) = [(n, found[0]) for n, found in enumerate(costs) if found and n]
        assert cost.cost == pytest.approx(logged["_label_cost"])
        assert cost.probability == pytest.approx(logged["_label_probability"])
        assert place == logged["_label_Action"]  # the shared example comes first
        model.finish_example(examples)
    model.finish()


@pytest.fixture
def paid(lite: World, spec_text: str) -> World:
    """Offers with different worths, bought, returned, dismissed; reported late or by a page too."""
    spec = spec_text.replace(
        'key = "upgrade"',
        'key = "upgrade"\nvalue = { accept = 12.0, purchase = { amount = 0.35, max = 100.0 } }\n'
        "cost = { accept = 4.5 }",
    ).replace("range = [-1.0, 2.0]", 'range = [-20.0, 50.0]\ncurrency = "GBP"')
    lite.launch(spec)
    for number in range(60):
        decision = lite.measured()
        lite.report(decision, "accept")
        if number % 3 == 0:
            lite.report(decision, "dismiss")
        if number % 4 == 0:
            lite.report(decision, "purchase", amount=150.0, currency="EUR" if number % 8 else "GBP")
    lite.settle()
    lite.report(decision, "accept")
    lite.settle()
    lite.learn()
    return lite


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_rows_hold_what_made_up_their_rewards(
    paid: World, tmp_path: Path, kind: str, name: str
) -> None:
    write(paid, tmp_path / name, kind)
    rows = money_of(tmp_path / name, kind)
    assert {row["currency"] for row in rows} == {"GBP"}
    for row in rows:
        whole = row["gross"] + row["taken_back"] - row["costs"]
        assert row["reward"] == pytest.approx(whole)
        assert row["costs"] == (4.5 if row["arm"] == "upgrade" else 0.0)
    report = experiment_report(paid.database, KEY, paid.clock())
    for arm in report.arms:
        own = [row for row in rows if row["arm"] == arm.arm]
        for part in ("gross", "taken_back", "costs"):
            assert sum(row[part] for row in own) == pytest.approx(getattr(arm, part))
    assert max(row["gross"] for row in rows) == 12.0 + 35.0
    read = read_decision_log(tmp_path / name).log
    assert sorted(read.reward) == pytest.approx(sorted(row["reward"] for row in rows))
    assert read.context is not None
    assert set(read.context.columns) == {"cart_value", "country", "returning"}


def money_of(path: Path, kind: str) -> list[dict[str, Any]]:
    """The rows of an exported file with arm, reward and its parts."""
    import pandas as pd  # noqa: PLC0415

    if kind == "dsjson":
        events = [json.loads(line) for line in path.read_text().splitlines()]
        return [
            {
                "arm": event["c"]["_multi"][event["_labelIndex"]]["_tag"],
                "reward": -event["_label_cost"],
                **event["Money"],
            }
            for event in events
        ]
    frame = pd.read_parquet(path) if kind == "parquet" else pd.read_csv(path)
    return frame.to_dict("records")


def test_parts_that_no_longer_give_the_reward_are_left_empty(paid: World, tmp_path: Path) -> None:
    import pandas as pd  # noqa: PLC0415

    write(paid, tmp_path / "before.csv", "csv")
    gone = pd.read_csv(tmp_path / "before.csv")["decision_id"].iloc[0]
    with paid.database.write() as connection:
        connection.execute(text("DELETE FROM event WHERE decision_id = :id"), {"id": gone})
    write(paid, tmp_path / "after.csv", "csv")
    after = pd.read_csv(tmp_path / "after.csv").set_index("decision_id")
    assert after.loc[gone, ["gross", "taken_back", "costs"]].isna().all()
    assert after["gross"].isna().sum() == 1


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_what_else_was_logged_comes_along_without_where_it_came_from(
    learned: World, tmp_path: Path, kind: str, name: str
) -> None:
    import pandas as pd  # noqa: PLC0415

    out = tmp_path / name
    write(learned, out, kind)
    if kind == "dsjson":
        found = [json.loads(line)["Decision"] for line in out.read_text().splitlines()]
    else:
        frame = pd.read_parquet(out) if kind == "parquet" else pd.read_csv(out)
        found = [json.loads(text) for text in frame["decision"]]
    assert {each["experiment"] for each in found} == {KEY}
    assert {each["deployment"] for each in found} == {1}
    assert any(each["reason"] == "policy" and each["model_versions"] for each in found)
    known = {field.name for each in found for field in fields(Decision)}
    for each in found:
        assert set(each) <= known - {"address", "key_id", "request_key", "body_hash", "unit"}

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.bootstrap import Platform, build, build_serving, build_worker, utc_now
from bandit_platform.domain.lifecycle import Action
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.services.reporting.report_records import ExperimentReport
from bandit_platform.services.serving.query import Query
from bandit_platform.settings import Settings
from bandit_platform.web.bodies import EventItem
from tests.support.databases import place_database

KEY = "checkout-offers"


@pytest.fixture
def busy(tmp_path: Path, spec: Any) -> dict[str, int]:
    """A deployment with mature interactions; gives how many there are of what."""
    settings = Settings(data_dir=place_database(tmp_path / "data"), refresh_seconds=3600.0)
    platform = build(settings)
    platform.apply_experiment(spec)
    platform.change_state(KEY, Action.START)
    serving = build_serving(settings)
    accepted = 0
    for number in range(250):
        query = Query(
            unit_id=f"unit-{number}",
            context={"cart_value": 80.0},
            request_key=None,
            eligible_arms=None,
            excluded_arms=(),
            defer_activation=False,
        )
        decision = serving.decider.decide(KEY, query).decision
        if number % 3 == 0:
            accepted += 1
            report = EventItem(
                event_id="e",
                decision_id=decision.decision_id,
                type="accept",
            )
            serving.recorder.record([report], trusted=True)
    serving.registry.close()
    serving.journal.close()
    worker = build_worker(settings, lambda: utc_now() + timedelta(hours=2))
    while worker.round():
        pass
    report = platform.report(KEY)
    platform.database.close()
    return {
        "decisions": 250,
        "accepted": accepted,
        "interactions": report.counts.interactions,
        "held out": report.counts.holdout_interactions,
    }


def test_the_table_tells_what_there_is(run: Any, busy: dict[str, int]) -> None:
    ran = run("report", KEY)
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert (
        f"checkout-offers is running, revision 1: 250 decisions, 0 immature, "
        f"{busy['interactions']} interactions, {busy['held out']} held out, "
        f"{busy['accepted']} events (0 late), model version 1." in " ".join(lines)
    )
    for name in (
        "logging",
        "serving",
        "greedier",
        "uniform",
        "always:nothing",
        "always:upgrade",
        "always:insurance",
    ):
        assert any(f" {name} " in line for line in lines), name
    assert any(line.startswith("Programme uplift over the holdout") for line in lines)


def test_the_json_is_the_report(run: Any, busy: dict[str, int]) -> None:
    ran = run("report", KEY, "--format", "json")
    assert (ran.status, ran.err) == (0, "")
    told = json.loads(ran.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert told["counts"]["decisions"] == busy["decisions"]
    assert told["counts"]["events_by_type"] == {"accept": busy["accepted"]}
    assert told["counts"]["learned"] == told["counts"]["interactions"] == busy["interactions"]
    values = {row["name"]: row for row in told["policies"]}
    logging = values["logging"]["snips"]
    assert logging["lower"] < logging["value"] < logging["upper"]
    assert values["always:nothing"]["uplift"]["value"] == 0.0
    assert told["finding"]


def test_an_experiment_without_data_says_so(run: Any, tmp_path: Path, spec_text: str) -> None:
    file = tmp_path / "experiment.toml"
    file.write_text(spec_text)
    run("experiment", "apply", file)
    ran = run("report", KEY)
    assert ran.status == 0
    assert "0 decisions" in ran.out
    assert "no data" in ran.out
    assert json.loads(run("report", KEY, "--format", "json").out)["policies"] == []


def test_an_unknown_experiment_is_bad_input(run: Any) -> None:
    ran = run("report", "nobody")
    assert (ran.status, ran.out, ran.err) == (2, "", "there is no experiment with this key\n")


def test_the_leaderboard_is_read_against_any_of_its_policies(
    run: Any, busy: dict[str, int]
) -> None:
    ran = run("report", KEY, "--baseline", "uniform", "--by", "returning")
    assert (ran.status, ran.err) == (0, "")
    assert "Uplift over uniform" in ran.out
    assert "Uplifts over nothing, corrected for" in ran.out
    told = json.loads(
        run("report", KEY, "--baseline", "uniform", "--by", "returning", "--format", "json").out
    )
    over = told["uplift_over"]
    assert over["baseline"] == "uniform"
    assert {row["policy"] for row in over["policies"]} == {
        row["name"] for row in told["policies"]
    } - {"uniform"}
    (field,) = told["segments"]
    assert field["field"] == "returning"
    rows = [row for row in field["rows"] if row["policy"] == "logging"]
    assert [(row["segment"], row["n"]) for row in rows] == [("not given", busy["interactions"])]


def test_unknown_baselines_and_fields_are_bad_input(run: Any, busy: dict[str, int]) -> None:
    del busy
    ran = run("report", KEY, "--baseline", "always:tiger")
    assert ran.status == 2
    assert "always:upgrade" in ran.err
    ran = run("report", KEY, "--by", "colour")
    assert ran.status == 2
    assert "cart_value, country, returning" in ran.err


def test_nothing_stands_beside_a_value_that_is_being_collected(
    run: Any, busy: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def young(self: Platform, key: str) -> ExperimentReport:
        found = experiment_report(self.database, key, self.clock(), whole=True)
        row = found.policies[0]
        early = replace(row, value=replace(row.value, collecting=True))
        return replace(found, policies=(early, *found.policies[1:]))

    monkeypatch.setattr(Platform, "whole_report", young)
    first, second = [line for line in run("report", KEY).out.splitlines() if line.startswith("│ ")][
        :2
    ]
    assert [cell.strip() for cell in first.split("│")][4] == "collecting data"
    assert "collecting" not in second.split("│")[4]


def test_what_offers_brought_and_cost_is_printed_by_label(
    run: Any, busy: dict[str, int], tmp_path: Path, spec_text: str
) -> None:
    assert "Net" not in run("report", KEY).out  # no arm has a label yet
    file = tmp_path / "experiment.toml"
    file.write_text(
        spec_text.replace('key = "upgrade"', 'key = "upgrade"\nadvertiser = "Lounges [Ltd]"')
    )
    assert run("experiment", "apply", file).status == 0
    ran = run("report", KEY)
    assert (ran.status, ran.err) == (0, "")
    money = json.loads(run("report", KEY, "--format", "json").out)["money"]
    assert [(row["by"], row["name"]) for row in money] == [
        ("advertiser", "Lounges [Ltd]"),
        ("advertiser", None),
    ]
    assert "In reward units" in ran.out
    cells = [[part.strip() for part in line.split("│")[1:-1]] for line in ran.out.splitlines()]
    rows = {row[0]: row for row in cells if len(row) == 7}
    for row in money:
        amounts = [f"{row[name] + 0.0:,.2f}" for name in ("gross", "taken_back", "costs", "net")]
        name = row["name"] or "no advertiser"
        assert rows[name] == [name, *row["arms"], str(row["interactions"]), *amounts]
    assert 0 < sum(row["gross"] for row in money) <= busy["accepted"]
    assert "Lounges" not in run("report", KEY, "--by", "returning").out

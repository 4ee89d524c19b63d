"""The answer of a question in words and figures; names of others stay text."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from bandit_platform.domain.actor import Actor
from bandit_platform.domain.question import Question, QuestionState, StoredQuestion
from bandit_platform.ope import DecisionLog, RewardRange, evaluate
from bandit_platform.ope.evaluating.report import EvaluationReport
from dashboards.charts.palette import NOTHING_GREY
from dashboards.questions.chart_tables import MOST_ROWS, chart_tables
from dashboards.questions.figures import question_charts
from dashboards.questions.page import answer, progress, question_line
from dashboards.tables import table_of

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
EVIL = "<b>old</b>"
ASKED = StoredQuestion(
    question_id="1",
    asked_by=Actor(kind="user", name="ana"),
    question=Question(experiment="shop", policies=("always:a", "always:nothing")),
    state=QuestionState.DONE,
    done=10,
    total=20,
    attempts=1,
    rows=3000,
    headline="",
    error="",
    created_at=NOW,
    started_at=NOW,
    finished_at=NOW,
)


@pytest.fixture(scope="module")
def report() -> EvaluationReport:
    rng = np.random.default_rng(0)
    arm = rng.integers(0, 3, 3000)
    log = DecisionLog(
        arms=("a", EVIL, "nothing"),
        arm=arm,
        propensity=np.full(3000, 1 / 3),
        reward=(rng.random(3000) < 0.1 + 0.1 * arm).astype(float),
        context=pd.DataFrame({"kind": rng.choice(["new", EVIL], 3000)}),
    )
    found = evaluate(
        log,
        ["always:a", f"always:{EVIL}", "always:nothing"],
        reward_range=RewardRange(low=0, high=1),
        estimators=["ips", "snips"],
        by=["kind"],
    )
    period = {"decided_from": NOW.isoformat(), "decided_until": NOW.isoformat()}
    return replace(found, diagnostics={**found.diagnostics, **period})


def test_every_figure_has_its_numbers_and_no_name_is_html(report: EvaluationReport) -> None:
    charts = {chart.key: chart for chart in question_charts(report, "UTC")}
    assert list(charts) == ["values", "uplifts", "over-time", "weights", "segments"]
    assert "<b>" not in json.dumps(
        [chart.figure.to_dict() for chart in charts.values()], default=str
    )
    (uplifts,) = charts["uplifts"].figure.data
    wanted = [one.uplift.estimate for one in report.policies[:2]]
    assert list(uplifts.x) == pytest.approx([one.value for one in wanted], rel=1e-4)
    ends = [at + reach for at, reach in zip(uplifts.x, uplifts.error_x.array, strict=True)]
    assert ends == pytest.approx([one.upper for one in wanted], rel=1e-3)
    low, high = charts["uplifts"].figure.layout.xaxis.range
    assert low < 0 < high
    assert len(charts["segments"].figure.data[0].x) == 4


def test_a_policy_has_one_colour_in_all_charts(report: EvaluationReport) -> None:
    charts = {chart.key: chart for chart in question_charts(report, "UTC")}
    bars = {bar.name: bar.marker.color for bar in charts["weights"].figure.data}
    lines = {line.name: line.line.color for line in charts["over-time"].figure.data if line.name}
    assert bars["always:nothing"] == NOTHING_GREY
    assert all(bars[name] == colour for name, colour in lines.items())


def test_the_tables_numbers_are_the_reports(report: EvaluationReport) -> None:
    page = answer(ASKED, report, "UTC")
    for line, one in zip(page.policies, report.policies, strict=True):
        assert line.uplift.exact_lower == one.uplift.estimate.lower
        assert line.values[1].exact_value == one.estimates["snips"].value
        assert [part.uplift.exact_upper for part in line.segments] == [
            part.uplift.upper for part in one.segments
        ]
    assert [line.is_baseline for line in page.policies] == [False, False, True]
    assert page.command.endswith("--to 2026-11-22T10:00:00.000001+00:00 --alpha 0.05")


def test_an_answer_that_is_not_stored_is_never_complete() -> None:
    running = replace(ASKED, state=QuestionState.RUNNING, done=20)
    assert progress(replace(running, total=0)) == 0
    assert progress(replace(running, done=5)) == 25
    assert progress(running) == 99
    assert progress(ASKED) == 100


def test_a_failure_stands_in_the_place_of_the_finding() -> None:
    failed = replace(ASKED, state=QuestionState.FAILED, error="no data")
    assert question_line(failed, "UTC", NOW).headline == "No data"


def test_records_become_a_table_with_a_column_for_each_part() -> None:
    table = table_of([{"a": {"b": 1, "c": None}, "d": ["x", "y"]}, {"e": NOW}])
    assert table.columns == ("a.b", "a.c", "d", "e")
    assert table.rows == ((1, None, "x; y", None), (None, None, None, NOW.isoformat()))


def test_every_chart_says_how_to_read_it_and_has_its_numbers(report: EvaluationReport) -> None:
    tables = chart_tables(report, "Europe/London")
    assert set(tables) == {"weights", "over-time"}
    table = tables["over-time"]
    moments = report.policies[0].over_time
    assert 0 < len(table.rows) <= MOST_ROWS
    assert table.rows[0][1] == f"{moments[-1].rows:,}"
    others = [one for one in report.policies if one.policy != report.baseline]
    assert table.heads[2:] == tuple(one.policy for one in others)
    weights = tables["weights"]
    for column, one in enumerate(report.policies, start=1):
        counted = sum(int(row[column].replace(",", "")) for row in weights.rows)
        assert counted == sum(each.rows for each in one.weights)
    shown = {chart.key: chart for chart in answer(ASKED, report, "Europe/London").charts}
    assert all(chart.reading.endswith(".") for chart in shown.values())
    assert {key for key, chart in shown.items() if chart.table} == set(tables)

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from bandit_platform.services.reporting.report_records import ExperimentReport
from dashboards.policies.segment_lines import forest
from dashboards.policies.segments_page import segments_csv, segments_page
from tests.dashboards.fake_comparisons import (
    COUNTRIES,
    field,
    rich_whole,
    segment,
    whole,
    whole_reports,
)
from tests.dashboards.fake_reports import collecting, draft, estimate, vague


@pytest.mark.parametrize("report", whole_reports(), ids=lambda report: report.experiment)
def test_every_kind_of_report_makes_a_page(report: ExperimentReport) -> None:
    page = segments_page(report, None, None)
    assert page.field is not None
    assert page.field.field == "country"


def test_segments_stand_largest_uplift_first_and_the_grey_ones_last() -> None:
    lines = segments_page(rich_whole(), None, None).forest.lines
    assert [line.segment for line in lines] == list(COUNTRIES)
    assert [line.mark for line in lines] == ["better", "unclear", "worse", "worse", "empty"]
    assert [line.grey for line in lines] == [False, False, False, False, True]
    last = lines[-1]
    assert last.bar is None
    assert "effective sample size is 4.0" in last.caution
    assert last.finding == "cannot be evaluated"


def test_the_corrected_interval_decides_what_is_said() -> None:
    close = estimate(0.01, 0.008, 5000)
    assert close.lower > 0
    (line,) = forest((segment("GB", "serving", close),)).lines
    assert line.mark == "unclear"
    assert line.alone.exact_lower == close.lower
    assert line.uplift.exact_lower < 0 < close.lower


def test_every_bar_is_on_one_axis_with_zero_in_view() -> None:
    found = segments_page(rich_whole(), None, None).forest
    places = [line.bar.point for line in found.lines if line.bar]
    assert places == sorted(places, reverse=True)
    assert 0 < found.zero < 100


def test_a_segment_that_collects_says_how_much_is_needed() -> None:
    page = segments_page(whole(collecting()), None, None)
    assert {line.mark for line in page.forest.lines} == {"collecting"}
    assert "60 interactions, more than 200" in page.forest.lines[0].finding
    assert page.forest.ticks == ()


def test_the_learned_policy_is_shown_unless_another_one_is_asked_for() -> None:
    assert segments_page(rich_whole(), None, None).policy == "serving"
    asked = segments_page(rich_whole(), "country", "always:vip-upgrade")
    assert asked.policy == "always:vip-upgrade"
    assert [choice.value for choice in asked.policies if choice.chosen] == ["always:vip-upgrade"]
    uniform = replace(
        rich_whole(), segments=(field("country", (segment("GB", "logging", vague(3)),)),)
    )
    assert segments_page(uniform, None, None).policy == "logging"


def test_what_the_address_asks_for_in_vain_is_told() -> None:
    page = segments_page(rich_whole(), "colour", None)
    assert (page.missing, page.field and page.field.field) == (
        "There is no field colour here.",
        "country",
    )
    assert segments_page(rich_whole(), None, "tiger").missing == "There is no policy tiger here."


def test_without_fields_or_rows_the_page_is_empty() -> None:
    assert segments_page(draft(), None, None).field is None
    assert segments_page(whole(draft()), None, None).forest.lines == ()


def test_the_file_holds_the_exact_numbers_and_no_formula() -> None:
    report = rich_whole()
    page = segments_page(report, "country", "serving")
    rows = list(csv.DictReader(io.StringIO(segments_csv(report, page))))
    assert [row["segment"] for row in rows] == ["GB", "US", "DE", "'=cmd()", "<b>FR</b>"]
    first = page.forest.lines[0].row
    assert float(rows[0]["uplift"]) == first.corrected.value
    assert float(rows[0]["lower_corrected"]) == first.corrected.lower
    assert float(rows[0]["upper_95"]) == first.uplift.upper
    assert (rows[0]["looks"], rows[0]["interactions"]) == ("7", "40000")
    assert rows[-1]["uplift"] == ""
    assert rows[-1]["verdict"] == "cannot-evaluate"

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bandit_platform.services.reporting.report_records import ExperimentReport
from dashboards.charts.series_table import MOST_ROWS, share_table, uplift_table
from dashboards.charts.sparkline import HEIGHT, sparkline
from dashboards.glossary import TERMS
from dashboards.overview.experiment_list import experiment_lines
from dashboards.overview.headline import headlines, programme
from dashboards.overview.page import experiment_page
from dashboards.policies.arm_table import arm_lines
from dashboards.text import COLLECTING
from tests.dashboards.fake_reports import (
    all_reports,
    collecting,
    draft,
    immature,
    negative,
    rich,
    vague,
)


@pytest.mark.parametrize("report", all_reports(), ids=lambda report: report.experiment)
def test_every_kind_of_report_makes_a_page(report: ExperimentReport) -> None:
    page = experiment_page(report, service_url="http://shop", window=timedelta(days=7))
    assert page.report is report
    assert page.verdict.words


def test_means_and_shares_of_few_interactions_are_withheld() -> None:
    one = rich()
    counts = replace(one.counts, interactions=29)
    arms = tuple(replace(arm, interactions=5, share=0.2) for arm in one.arms)
    few = replace(one, counts=counts, arms=arms)
    assert headlines(few)[1].value == COLLECTING
    assert headlines(few)[1].exact is None
    for line in arm_lines(few):
        assert (line.reward, line.share, line.exact_reward) == (COLLECTING, COLLECTING, None)
    assert COLLECTING not in {line.share for line in arm_lines(one)}


def test_the_three_figures() -> None:
    reward, nothing, matured = headlines(rich())
    assert (reward.value, reward.note) == ("0.423", "0.414 to 0.432, as it was served")
    assert nothing.exact == pytest.approx(rich().arms[0].share)
    assert matured.value == "193,893"
    assert matured.note == "of 214,133 measured, 19,002 still waiting"


def test_figures_are_withheld_before_they_mean_something() -> None:
    reward, nothing, matured = headlines(immature())
    assert reward.exact is None
    assert nothing.exact is None
    assert matured.value == "0"
    assert headlines(draft())[2].note == "of none so far"


def test_the_programme_uplift_says_how_many_units_and_is_withheld_while_collecting() -> None:
    found = programme(rich())
    assert (found.units, found.holdout_units) == ("161,400", "8,601")
    assert found.estimate.value == "+0.026"
    assert found.bar is not None
    assert 0 < found.zero < found.bar.left
    early = programme(replace(rich(), programme=vague(interval="asymptotic-cs")))
    assert early.bar is None
    assert early.estimate.value == "collecting data"
    assert programme(replace(rich(), holdout_share=0.0)).without_holdout


def test_arm_bars_start_at_zero_and_go_to_both_sides() -> None:
    lines = {line.arm: line for line in arm_lines(rich())}
    zero = lines["nothing"].zero
    assert lines["nothing"].left == zero
    below = lines["next-event"]
    assert below.left is not None
    assert below.left + below.width == pytest.approx(zero)
    assert not lines["merch-bundle"].active


def test_an_arm_that_was_never_drawn_has_no_bar() -> None:
    report = rich()
    silent = replace(report.arms[1], mean_reward=None, interactions=0, share=0.0)
    line = arm_lines(replace(report, arms=(report.arms[0], silent)))[1]
    assert line.left is None
    assert line.reward == "not drawn"


def test_tables_behind_the_charts_are_short_newest_first_and_complete_at_the_ends() -> None:
    report = rich()
    rows = uplift_table(report)
    assert len(rows) == MOST_ROWS
    assert rows[0].exact_at == report.timeline[-1].at.isoformat()
    assert rows[-1].exact_at == report.timeline[0].at.isoformat()
    served, learned = rows[0].cells
    assert served.exact_value == report.timeline[-1].policies["logging"].uplift
    assert learned.exact_value == report.timeline[-1].policies["serving"].uplift
    assert len(share_table(report)[0].cells) == len(report.arms)
    assert uplift_table(collecting()) == ()


def test_short_experiments_show_seconds() -> None:
    report = rich()
    first = report.timeline[0].at
    quick = tuple(
        replace(point, at=first + timedelta(seconds=i)) for i, point in enumerate(report.timeline)
    )
    assert uplift_table(replace(report, timeline=quick))[0].at.count(":") == 2


def test_the_list_says_each_thing_once() -> None:
    found = {line.key: line for line in experiment_lines(all_reports())}
    assert found["cart-upsell"].verdict.words == "Collecting data"
    assert found["cart-upsell"].finding.startswith("342 interactions so far")
    assert found["confirmation-page"].finding.startswith("Showing offers brought +0.021")
    assert found["confirmation-costly"].verdict.words == "Worse than nothing"
    assert found["checkout-insurance"].age == ""
    assert found["confirmation-page"].age == "3 minutes"


def test_the_sparkline_has_zero_in_view() -> None:
    for report in (rich(), negative()):
        drawn = sparkline(report)
        assert drawn is not None
        assert 0 < drawn.zero < HEIGHT
        assert len(drawn.line.split()) == 60
    assert sparkline(draft()) is None
    assert sparkline(collecting()) is None


def test_explanations_are_short() -> None:
    assert all(40 < len(meaning) < 260 for meaning in TERMS.values())

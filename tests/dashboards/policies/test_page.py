from __future__ import annotations

from dataclasses import replace

import pytest

from bandit_platform.services.reporting.report_records import ExperimentReport
from dashboards.charts.arm_rewards import arm_reward_figure, reward_table
from dashboards.charts.bands import MOST_ROWS, band_figure, band_table
from dashboards.charts.report_bands import programme_bands, value_bands
from dashboards.policies.leaderboard import leaderboard
from dashboards.policies.page import policies_page
from dashboards.policies.what_if import what_ifs
from dashboards.text import LEAST
from tests.dashboards.fake_comparisons import rich_whole, whole, whole_reports
from tests.dashboards.fake_reports import collecting, rich

NOTHING = "always:nothing"


@pytest.mark.parametrize("report", whole_reports(), ids=lambda report: report.experiment)
@pytest.mark.parametrize("together", [False, True])
def test_every_kind_of_report_makes_a_page(report: ExperimentReport, together: bool) -> None:
    page = policies_page(report, "uniform", together=together)
    assert page.leaderboard.together is together
    assert len(page.baselines) == len(report.policies)


def test_the_leaderboard_over_another_policy_shows_that_pairs_own_interval() -> None:
    report = rich_whole()
    board = leaderboard(report, "uniform")
    pairs = {row.policy: row for row in report.pairwise if row.baseline == "uniform"}
    turned = {row.baseline: row for row in report.pairwise if row.policy == "uniform"}
    for line in board.lines:
        if line.name == "uniform":
            assert line.is_baseline
        elif line.name in pairs:
            assert line.uplift.exact_lower == pairs[line.name].uplift.lower
        else:
            assert line.uplift.exact_upper == -turned[line.name].uplift.lower
    assert board.over == "every arm equally likely"
    assert {line.name: line.since for line in board.lines}["greedier"] == "1,200"


def test_corrected_intervals_are_wider_and_said_to_hold_together() -> None:
    report = rich_whole()
    each, together = leaderboard(report), leaderboard(report, together=True)
    for alone, corrected in zip(each.lines, together.lines, strict=True):
        assert alone.name == corrected.name
        if not alone.is_baseline:
            assert corrected.uplift.exact_lower < alone.uplift.exact_lower
        assert corrected.value.exact_upper > alone.value.exact_upper
    assert (each.together, together.together) == (False, True)


def test_an_unknown_baseline_is_told_and_nothing_is_taken() -> None:
    page = policies_page(rich_whole(), "always:tiger", together=False)
    assert page.missing == "There is no policy always:tiger here."
    assert page.leaderboard.over == "nothing"


def test_the_shops_questions_are_answered_against_what_was_served() -> None:
    report = rich_whole()
    found = {one.policy: one for one in what_ifs(report)}
    assert list(found)[:2] == [NOTHING, "always-something"]
    logging = next(row for row in report.policies if row.name == "logging")
    nothing = found[NOTHING]
    assert nothing.question == "What if nobody had been shown anything?"
    assert nothing.uplift is not None
    assert nothing.uplift.exact_value == -(logging.uplift.value or 0.0)
    assert nothing.mark == "worse"
    assert "always:vip-upgrade" in found


def test_questions_are_not_answered_before_there_is_data() -> None:
    assert {one.mark for one in what_ifs(whole(collecting()))} == {"collecting"}
    assert all(one.uplift is None for one in what_ifs(whole(collecting())))


def test_values_over_time_end_at_the_newest_point_with_the_learned_policy_in_front() -> None:
    report = rich_whole()
    bands = value_bands(report, "uniform")
    assert [band.name for band in bands][-2:] == ["logging", "serving"]
    assert {"uniform", NOTHING, "always-something"} <= {band.name for band in bands}
    last = report.timeline[-1].policies["serving"]
    newest = bands[-1].moments[-1]
    assert (newest.value, newest.lower, newest.upper) == (last.value, last.lower, last.upper)
    figure = band_figure(report, bands, "Value", zero=False)
    assert len(figure.data) == 3 * len(bands)
    low, high = figure.layout.yaxis.range
    assert low < last.lower < last.upper < high
    rows = band_table(report, bands, sign=False)
    assert len(rows) == MOST_ROWS
    assert rows[0].exact_at == report.timeline[-1].at.isoformat()
    cell = rows[0].cells[-1]
    assert cell is not None
    assert cell.exact_value == last.value
    assert value_bands(whole(collecting()), NOTHING) == ()


def test_the_programme_over_time_is_drawn_from_two_points_on() -> None:
    (band,) = programme_bands(rich_whole())
    assert band.moments[-1].value == 0.03
    assert programme_bands(rich()) == ()


def test_mean_rewards_are_differences_of_running_sums() -> None:
    report = rich_whole()
    figure = arm_reward_figure(report)
    assert {trace.name for trace in figure.data} == {row.arm for row in report.arms}
    drawn = [mean for trace in figure.data for mean in trace.y if mean is not None]
    assert drawn == pytest.approx([0.4] * len(drawn))
    assert len(reward_table(report)[0].cells) == len(report.arms)


def test_a_mean_of_few_draws_is_withheld() -> None:
    report = rich_whole()
    first = report.timeline[0]
    few = dict.fromkeys(first.arms, LEAST - 1)
    point = replace(first, arms=few, rewards=dict.fromkeys(few, 5.0))
    (line,) = reward_table(replace(report, timeline=(point,)))
    assert {mean for mean, _ in line.cells} == {"\N{EN DASH}"}


def test_sums_from_before_they_were_kept_give_no_mean() -> None:
    report = rich_whole()
    first, middle, last = (report.timeline[i] for i in (0, len(report.timeline) // 2, -1))
    old = tuple(replace(point, rewards={}) for point in (first, middle))
    assert reward_table(replace(report, timeline=(*old, last))) == ()
    assert len(reward_table(replace(report, timeline=(first, middle, last)))) == 2

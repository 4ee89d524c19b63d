from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from dashboards.charts.embedding import figure_json
from dashboards.charts.figures import arm_share_figure, uplift_figure
from dashboards.charts.palette import DARK, LIGHT, NOTHING_GREY
from dashboards.charts.series import MOST_POINTS, is_cut, thinned, uplift_axis, uplift_series
from tests.dashboards.fake_reports import all_reports, collecting, draft, nasty, negative, rich


def test_the_band_comes_before_the_point_and_zero_is_always_in_view() -> None:
    for report in (rich(), negative()):
        figure = uplift_figure(report)
        low, high = figure.layout.yaxis.range
        assert low < 0 < high
        zero = figure.layout.shapes[0]
        assert (zero.y0, zero.y1, zero.layer) == (0, 0, "above")
        fills = [trace.fill for trace in figure.data]
        assert fills[-2:] == ["tonexty", None]
        assert figure.data[-1].line.color == LIGHT["accent"]


def test_where_no_policy_learns_the_served_one_leads_with_a_band() -> None:
    report = rich()
    uniform = replace(report, policies=tuple(p for p in report.policies if p.kind != "serving"))
    upper, lower, middle = uplift_figure(uniform).data
    assert lower.fill == "tonexty"
    assert lower.fillcolor == LIGHT["served-band"]
    assert middle.line.dash == upper.line.dash == "solid"


def test_the_newest_numbers_in_the_figure_are_the_reports() -> None:
    report = rich()
    last = report.timeline[-1].policies["serving"]
    upper, lower, middle = uplift_figure(report).data[-3:]
    assert upper.y[-1] == pytest.approx(last.uplift_upper, rel=1e-4)
    assert lower.y[-1] == pytest.approx(last.uplift_lower, rel=1e-4)
    assert middle.y[-1] == pytest.approx(last.uplift, rel=1e-4)
    assert middle.customdata[-1][0] == lower.y[-1]
    assert len(middle.y) == MOST_POINTS


def test_times_are_the_experiments_wall_clock() -> None:
    report = replace(rich(), time_zone="America/New_York")
    shown = uplift_figure(report).data[-1].x[-1]
    wall = report.timeline[-1].at.astimezone(ZoneInfo("America/New_York"))
    assert str(shown).startswith(wall.strftime("%Y-%m-%dT%H:%M"))


def test_every_revision_has_a_line_even_one_from_before_the_first_point() -> None:
    report = rich()
    figure = uplift_figure(report)
    assert len(figure.layout.shapes) == 1 + len(report.revisions)
    assert [label.text for label in figure.layout.annotations] == ["rev 1", "rev 2", "rev 3"]
    assert figure.layout.shapes[1].x0 == figure.data[0].x[0]


def test_revisions_close_together_share_a_label() -> None:
    report = rich()
    first, second, third = report.revisions
    near = replace(third, at=second.at + timedelta(minutes=5))
    figure = uplift_figure(replace(report, revisions=(first, second, near)))
    texts = [label.text for label in figure.layout.annotations]
    assert texts == ["rev 1", "rev 2\N{EN DASH}3"]
    assert len(figure.layout.shapes) == 4


def test_the_vacuous_beginning_does_not_flatten_what_was_learnt() -> None:
    series = uplift_series(rich())
    axis = uplift_axis(series)
    assert axis.high - axis.low < 0.2
    assert is_cut(series)


def test_shares_are_stacked_with_nothing_at_the_bottom_in_its_grey() -> None:
    figure = arm_share_figure(rich())
    assert figure.layout.barmode == "stack"
    assert figure.data[0].name == "nothing"
    assert figure.data[0].marker.color == NOTHING_GREY
    totals = [sum(column) for column in zip(*(bar.y for bar in figure.data), strict=True)]
    assert totals == pytest.approx([1.0] * len(totals), abs=1e-3)


def test_arms_beyond_the_palette_are_drawn_as_one() -> None:
    arms = ("nothing", *(f"arm{i}" for i in range(12)))
    names = [trace.name for trace in arm_share_figure(rich(arms=arms)).data]
    assert "5 other arms" in names
    assert len(names) == 9


def test_a_report_without_points_gives_empty_figures() -> None:
    for report in (draft(), replace(collecting(), timeline=())):
        assert len(uplift_figure(report).data) == 0
        assert len(arm_share_figure(report).data) == 0
    assert len(uplift_figure(collecting()).data) == 0
    assert len(arm_share_figure(collecting()).data) == 4


def test_no_user_text_can_leave_the_json_or_become_markup_in_a_chart() -> None:
    text = figure_json(arm_share_figure(nasty()))
    assert "<" not in text
    assert ">" not in text
    names = [trace["name"] for trace in json.loads(text)["data"]]
    assert names[1] == "&lt;script&gt;alert(1)&lt;/script&gt;"


def test_every_colour_of_a_figure_can_be_turned_dark() -> None:
    colours = {**{LIGHT[name]: DARK[name] for name in LIGHT}}
    for report in all_reports():
        text = uplift_figure(report).to_json() + arm_share_figure(report).to_json()
        assert LIGHT["ink"] in text
        for light, dark in colours.items():
            text = text.replace(f'"{light}"', f'"{dark}"')
        assert '"#1c1e24"' not in text


def test_thinning_keeps_first_and_last() -> None:
    assert thinned(range(1000), 10)[0] == 0
    assert thinned(range(1000), 10)[-1] == 999
    assert len(thinned(range(1000), 10)) == 10
    assert thinned([1, 2], 10) == (1, 2)

from __future__ import annotations

from dashboards.charts.scale import Axis, bar, common_axis, padded
from tests.dashboards.fake_reports import estimate, vague


def test_numbers_fall_where_they_belong_and_stay_inside() -> None:
    axis = Axis(low=-1.0, high=3.0)
    assert axis.place(0.0) == 25.0
    assert axis.place(-9.0) == 0.0
    assert axis.place(9.0) == 100.0


def test_ticks_are_round_numbers() -> None:
    labels = [tick.label for tick in Axis(low=0.34, high=0.46).ticks()]
    assert labels == ["0.35", "0.40", "0.45"]
    signed = [tick.label for tick in Axis(low=-10, high=10).ticks(sign=True)]
    assert signed == ["\N{MINUS SIGN}10", "\N{MINUS SIGN}5", "0", "+5", "+10"]


def test_one_very_wide_interval_does_not_flatten_the_others() -> None:
    narrow = [estimate(0.4, 0.01, 100), estimate(0.42, 0.01, 100), estimate(0.41, 0.01, 100)]
    wide = estimate(0.4, 6.0, 100)
    axis = common_axis([*narrow, wide])
    assert axis is not None
    assert axis.high - axis.low < 0.2
    drawn = bar(axis, wide)
    assert drawn is not None
    assert drawn.cut_left
    assert drawn.cut_right
    whole = bar(axis, narrow[0])
    assert whole is not None
    assert not whole.cut_left
    assert whole.left < whole.point < whole.left + whole.width


def test_what_is_still_collecting_is_not_drawn() -> None:
    assert common_axis([vague()]) is None
    assert bar(Axis(low=0, high=1), vague()) is None


def test_an_axis_can_be_made_to_include_zero() -> None:
    axis = common_axis([estimate(0.4, 0.01, 100)], include=[0.0])
    assert axis is not None
    assert axis.low < 0 < axis.high


def test_an_axis_never_has_length_zero() -> None:
    assert padded(0.0, 0.0).high > padded(0.0, 0.0).low
    assert padded(2.0, 2.0).low < 2.0

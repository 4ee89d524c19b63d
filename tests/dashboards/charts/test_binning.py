from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bandit_platform.services.reporting.report_records import TimelinePoint
from dashboards.charts.binning import MOST_BINS, share_bins
from tests.dashboards.fake_reports import START, rich


def points(steps: list[tuple[int, int, int]]) -> list[TimelinePoint]:
    """Running counts from (seconds, draws of a, draws of nothing) per step."""
    made, at, a, nothing = [], START, 0, 0
    for seconds, more_a, more_nothing in steps:
        at, a, nothing = at + timedelta(seconds=seconds), a + more_a, nothing + more_nothing
        made.append(
            TimelinePoint(at=at, n=a + nothing, policies={}, arms={"nothing": nothing, "a": a})
        )
    return made


step = st.tuples(st.integers(0, 10_000), st.integers(0, 50), st.integers(0, 50))


@given(st.lists(step, min_size=1, max_size=200))
def test_no_interaction_is_lost_or_counted_twice(steps: list[tuple[int, int, int]]) -> None:
    line = points(steps)
    bins = share_bins(line)
    assert len(bins) <= MOST_BINS
    for arm in ("a", "nothing"):
        assert sum(one.counts[arm] for one in bins) == line[-1].arms[arm]
    assert bins[0].start == line[0].at
    assert bins[-1].end == line[-1].at
    for one, after in pairwise(bins):
        assert one.end == after.start


def test_many_points_become_at_most_forty_bins() -> None:
    bins = share_bins(rich().timeline)
    assert 30 <= len(bins) <= MOST_BINS
    assert all(one.total > 0 for one in bins)


def test_points_that_thin_out_leave_no_bin_empty() -> None:
    steps = [(round(10 * 1.02**i), 1 + round(1.02**i), round(1.02**i)) for i in range(400)]
    assert all(one.total > 0 for one in share_bins(points(steps)))


def test_shares_are_of_the_bin_and_an_arm_that_came_later_starts_at_zero() -> None:
    line = points([(0, 1, 1), (10, 3, 1)])
    line[1].arms["late"] = 4
    (one,) = share_bins(line)
    assert one.share("late") == 0.4
    assert one.share("unknown") == 0.0


def test_without_points_there_is_nothing_to_bin() -> None:
    assert share_bins([]) == ()
    (only,) = share_bins(points([(0, 2, 2)]))
    assert only.share("a") == 0.5

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bandit_platform.errors import InputError
from bandit_platform.ope.sequences.confidence_sequence import ConfidenceSequence
from bandit_platform.services.learning.cuts import MOST_VALUES
from bandit_platform.services.learning.roll_up import stored_rollups
from bandit_platform.services.reporting.baseline import check_baseline, field_of, uplifts_over
from bandit_platform.services.reporting.comparison_records import PairRow
from bandit_platform.services.reporting.report import experiment_report
from tests.services.learning.test_learn import KEY, collected
from tests.services.learning.test_rollups import WITH_SEGMENTS


def whole(world: Any) -> Any:
    return experiment_report(world.database, KEY, world.clock(), whole=True)


@pytest.fixture
def busy(lite: Any, spec_text: str) -> Any:
    collected(lite, spec_text + WITH_SEGMENTS, 600)
    return lite


def test_a_plain_report_leaves_comparisons_out_and_a_whole_one_adds_nothing_else(busy: Any) -> None:
    plain = experiment_report(busy.database, KEY, busy.clock())
    full = whole(busy)
    assert (plain.segments, plain.pairwise, plain.policy_looks) == ((), (), 0)
    bare = replace(
        full,
        segments=(),
        pairwise=(),
        segment_looks=0,
        policy_looks=0,
        policies=tuple(
            replace(row, corrected_value=None, corrected_uplift=None) for row in full.policies
        ),
    )
    assert bare == plain


def test_corrected_intervals_are_those_at_the_shared_level(busy: Any) -> None:
    report = whole(busy)
    assert report.policy_looks == len(report.policies) == 8
    for row in report.policies:
        assert row.corrected_value.lower <= row.value.lower
        assert row.corrected_value.upper >= row.value.upper
        assert row.corrected_value.value == row.value.value
    logging = next(row for row in report.policies if row.name == "logging")
    assert logging.corrected_uplift.upper > logging.uplift.upper
    nothing = next(row for row in report.policies if row.name == "always:nothing")
    assert (nothing.corrected_uplift.lower, nothing.corrected_uplift.upper) == (0.0, 0.0)


def test_every_policy_is_compared_with_every_other_one_once(busy: Any) -> None:
    report = whole(busy)
    names = [row.name for row in report.policies]
    found = {frozenset({row.policy, row.baseline}) for row in report.pairwise}
    assert len(found) == len(report.pairwise) == len(names) * (len(names) - 1) // 2


def test_a_pair_is_a_sequence_of_its_own_in_reward_units(busy: Any) -> None:
    with busy.database.read() as connection:
        (block,) = stored_rollups(connection, KEY).pairs
    names = [(first.name, second.name) for first, second in block.pairs]
    pairs = {(row.policy, row.baseline): row for row in whole(busy).pairwise}
    low, high = busy.experiments.get(KEY).spec.reward_range
    for place, pair in enumerate(names):
        sequence: ConfidenceSequence = block.uplifts.sequence(place)
        row: PairRow = pairs[pair]
        lower, upper = sequence.bounds()
        assert row.uplift.lower == pytest.approx((high - low) * lower)
        assert row.uplift.upper == pytest.approx((high - low) * upper)
        assert row.uplift.n == sequence.stream.n > 300
        assert row.uplift.value is not None
        assert row.corrected.lower < row.uplift.lower < row.uplift.value < row.uplift.upper


def test_segments_have_their_counts_and_honest_verdicts(busy: Any) -> None:
    report = whole(busy)
    fields = {each.field: each for each in report.segments}
    assert list(fields) == ["returning", "cart_value", "country"]
    assert [each.named for each in report.segments] == [True, True, False]
    assert {row.segment for row in fields["returning"].rows} == {"yes", "no"}
    assert {row.segment for row in fields["cart_value"].rows} == {
        "below 60",
        "60 to below 100",
        "100 and more",
    }
    yes_or_no, ranges, values = 2 + 1, 3 + 1, MOST_VALUES + 1 + 1  # with those not given
    assert report.segment_looks == yes_or_no + ranges + values
    interactions = report.counts.interactions
    for field in report.segments:
        rows = [row for row in field.rows if row.policy == "logging"]
        assert sum(row.n for row in rows) == interactions
        for row in rows:
            assert row.ess == pytest.approx(row.n)
            assert row.uplift.collecting == (row.n <= 200)
            assert row.corrected.lower <= row.uplift.lower
    assert {row.policy for row in fields["country"].rows} == {
        "logging",
        "serving",
        "always-something",
        "always:upgrade",
        "always:insurance",
    }


def test_a_segment_that_cannot_be_evaluated_has_no_point_and_says_why(lite: Any, spec: Any) -> None:
    collected(lite, spec, 60)
    rows = [row for field in whole(lite).segments for row in field.rows]
    hopeless = [row for row in rows if row.verdict == "cannot-evaluate"]
    assert hopeless
    for row in hopeless:
        assert row.uplift.value is None
        assert row.corrected.value is None
        assert row.why


def test_numbers_still_wanted_for_ranges_are_told(lite: Any, spec: Any) -> None:
    collected(lite, spec, 60)
    field = next(each for each in whole(lite).segments if each.field == "cart_value")
    assert field.automatic
    assert 0 < field.waiting < 200
    assert field.rows == ()


def test_before_anything_was_learned_there_is_nothing_to_compare(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    report = whole(lite)
    assert report.pairwise == ()
    assert all(field.rows == () for field in report.segments)


def test_the_timeline_keeps_rewards_by_arm_and_the_programme(busy: Any) -> None:
    last = whole(busy).timeline[-1]
    assert set(last.rewards) == set(last.arms)
    drawn = {row.arm: row for row in whole(busy).arms}
    for arm, total in last.rewards.items():
        assert abs(total) <= drawn[arm].interactions * 5.0
    assert (last.programme is None) == whole(busy).programme.collecting


def test_any_policy_can_be_the_baseline(busy: Any) -> None:
    report = whole(busy)
    over_uniform = uplifts_over(report, "uniform")
    assert set(over_uniform) == {row.name for row in report.policies} - {"uniform"}
    turned = over_uniform["always:insurance"].uplift
    kept = uplifts_over(report, "always:insurance")["uniform"].uplift
    assert turned.value is not None
    assert (turned.value, turned.lower, turned.upper) == (
        -(kept.value or 0.0),
        -kept.upper,
        -kept.lower,
    )
    over_nothing = uplifts_over(report, "always:nothing")
    for row in report.policies:
        if row.name != "always:nothing":
            assert over_nothing[row.name].uplift == row.uplift


def test_unknown_baselines_and_fields_are_refused_with_what_there_is(busy: Any) -> None:
    report = whole(busy)
    check_baseline(report, "greedier")
    with pytest.raises(InputError, match="always:insurance"):
        check_baseline(report, "always:tiger")
    assert field_of(report, "country").field == "country"
    with pytest.raises(InputError, match="returning, cart_value, country"):
        field_of(report, "colour")

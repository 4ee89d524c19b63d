from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from bandit_platform.errors import StorageError
from bandit_platform.ope.estimators.sums import WeightSums
from bandit_platform.services.learning.cuts import MISSING, cuts_of
from bandit_platform.services.learning.recompute_rollups import recompute_rollups
from bandit_platform.services.learning.roll_up import stored_rollups
from bandit_platform.services.learning.rollup_state import decoded, encoded
from bandit_platform.services.learning.rollups import Rollups
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.storage.rollups import put_rollup_state, rollup_state
from tests.services.learning.test_learn import KEY, batches_of, collected, crash

WITH_SEGMENTS = """
[report]
segments = ["returning", { cart_value = [60, 100] }]
"""


@pytest.fixture
def cut_spec(spec_text: str) -> str:
    return spec_text + WITH_SEGMENTS


def rollups_of(world: Any) -> Rollups:
    with world.database.read() as connection:
        return stored_rollups(connection, KEY)


def recomputed(world: Any) -> bytes:
    with world.database.read() as connection:
        stored, again = recompute_rollups(connection, KEY)
    assert stored.segments
    return encoded(again)


def relearned(world: Any, *, rows: int, restarts: bool) -> bytes:
    for table in ("policy_state", "model_version", "timeline", "rollup"):
        world.run(f"DELETE FROM {table}")  # noqa: S608 - our own names
    learner = world.learner()
    with batches_of(rows):
        while learner.learn(KEY, world.clock()).taken:
            if restarts:
                learner = world.learner()
    return encoded(rollups_of(world))


def test_stored_rollups_equal_a_recomputation_bit_for_bit(world: Any, cut_spec: str) -> None:
    collected(world, cut_spec)
    stored = rollups_of(world)
    assert recomputed(world) == encoded(stored)
    assert [block.cut.field for block in stored.segments] == ["returning", "cart_value", "country"]


def test_neither_batches_nor_restarts_change_a_bit(lite: Any, cut_spec: str) -> None:
    collected(lite, cut_spec, 90)
    whole = relearned(lite, rows=1000, restarts=False)
    for rows, restarts in ((1, False), (7, True), (64, False)):
        assert relearned(lite, rows=rows, restarts=restarts) == whole, rows


def test_bytes_read_back_are_the_same_rollups(lite: Any, cut_spec: str) -> None:
    collected(lite, cut_spec, 60)
    state = encoded(rollups_of(lite))
    assert encoded(decoded(state)) == state


def test_damaged_sums_begin_anew_and_learning_goes_on(lite: Any, cut_spec: str) -> None:
    collected(lite, cut_spec, 60)
    taken = lite.states()["logging"].interactions
    with lite.database.write() as connection:
        damaged = bytearray(rollup_state(connection, KEY) or b"")
        damaged[-20] ^= 1
        put_rollup_state(connection, KEY, bytes(damaged))
    with pytest.raises(StorageError, match="damaged"):
        decoded(bytes(damaged))
    lite.traffic(30)
    lite.settle()
    lite.learn()
    stored = rollups_of(lite)
    assert {block.before for block in (*stored.segments, *stored.pairs)} == {taken}
    assert recomputed(lite) == encoded(stored)


def test_a_crash_leaves_the_rollups_where_the_cursors_are(
    lite: Any, cut_spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected(lite, cut_spec, 60)
    before = encoded(rollups_of(lite))
    lite.traffic(30)
    lite.settle()
    with monkeypatch.context() as patch:
        patch.setattr("bandit_platform.services.learning.learn.add_timeline_point", crash)
        with pytest.raises(Exception):  # noqa: B017, PT011 - the process dies
            lite.learner().learn(KEY, lite.clock())
    assert encoded(rollups_of(lite)) == before
    lite.learn()
    assert encoded(rollups_of(lite)) != before
    assert recomputed(lite) == encoded(rollups_of(lite))


def test_the_segments_of_every_field_add_up_to_the_whole(world: Any, cut_spec: str) -> None:
    collected(world, cut_spec)
    states = world.states()
    for block in rollups_of(world).segments:
        assert block.segments
        for place, member in enumerate(block.members):
            whole = WeightSums.from_state(json.loads(states[member.name].accumulator)["target"])
            parts = [sums.weights.sums(place) for sums in block.segments.values()]
            total = WeightSums()
            for part in parts:
                total = total.merged(part)
            assert total.n == whole.n - block.spent
            if not block.spent:
                for name in ("w", "ww", "wr", "wwr", "wwrr", "w_max"):
                    assert getattr(total, name) == pytest.approx(getattr(whole, name), abs=1e-9)


def test_a_pair_is_the_sequence_of_the_difference(lite: Any, cut_spec: str) -> None:
    collected(lite, cut_spec)
    (block,) = rollups_of(lite).pairs
    names = [(first.name, second.name) for first, second in block.pairs]
    place = names.index(("logging", "always:upgrade"))
    rows = lite.recomputed_rows()
    weights = [
        1.0 - row.policies["always:upgrade"][at] / row.pmf[at]
        for row in rows
        for at in [row.eligible.index(row.arm)]
    ]
    tuned = block.uplifts.sequence(place).tuning
    assert tuned.n == len(rows)  # fewer than tune a sequence
    assert tuned.g == pytest.approx(sum(weights))


def test_numbers_without_ranges_get_them_from_the_first_ones(
    lite: Any, spec_text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bandit_platform.services.learning.segment_block.NUMBERS_FOR_EDGES", 40)
    collected(lite, spec_text, 120)
    stored = rollups_of(lite)
    block = next(one for one in stored.segments if one.cut.field == "cart_value")
    assert block.spent == 40
    assert len(block.numbers) == 40
    assert block.edges is not None
    rows = lite.recomputed_rows()
    assert list(block.numbers) == [row.context["cart_value"] for row in rows[:40]]
    assert block.edges == tuple(sorted({*np.quantile(block.numbers, [0.25, 0.5, 0.75])}))
    assert sum(sums.weights.n for sums in block.segments.values()) == len(rows) - 40
    assert recomputed(lite) == encoded(stored)


def test_what_is_missing_is_a_segment(lite: Any, cut_spec: str) -> None:
    lite.launch(cut_spec)
    for number in range(20):
        lite.clock.advance(1)
        lite.decide(context={"cart_value": 70.0, "returning": True} if number % 2 else {})
    lite.settle()
    lite.learn()
    for block in rollups_of(lite).segments:
        assert block.segments[MISSING].weights.n > 0


def test_values_beyond_the_first_ones_are_one_segment(
    lite: Any, cut_spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bandit_platform.services.learning.cuts.MOST_VALUES", 2)
    collected(lite, cut_spec, 60)
    block = next(one for one in rollups_of(lite).segments if one.cut.field == "country")
    assert len(block.segments) == 3
    assert "other" in block.segments
    assert recomputed(lite) == encoded(rollups_of(lite))


def test_what_is_added_starts_where_it_was_added(lite: Any, spec_text: str, cut_spec: str) -> None:
    collected(lite, spec_text, 60)
    taken = lite.states()["logging"].interactions
    more = cut_spec.replace(
        'name = "greedier"\nexploration = "epsilon_greedy"',
        'name = "bolder"\nexploration = "softmax"',
    )
    assert more != cut_spec
    lite.apply(more)
    lite.traffic(40)
    lite.settle()
    lite.learn()
    stored = rollups_of(lite)
    cart = next(one for one in stored.segments if one.cut.field == "cart_value")
    country = next(one for one in stored.segments if one.cut.field == "country")
    assert (cart.before, country.before) == (taken, 0)
    assert cart.edges == (60.0, 100.0)
    old, new = stored.pairs
    assert {each.name for pair in old.pairs for each in pair} & {"greedier", "bolder"} == set()
    assert new.before == taken
    assert all("bolder" in {first.name, second.name} for first, second in new.pairs)
    assert recomputed(lite) == encoded(stored)


def test_what_is_tracked_no_more_is_in_neither_side_of_the_check(lite: Any, spec_text: str) -> None:
    collected(lite, spec_text, 60)
    before = lite.states()["greedier"].policy_hash
    lite.apply(spec_text.replace('exploration = "epsilon_greedy"', 'exploration = "softmax"'))
    with lite.database.read() as connection:
        stored, again = recompute_rollups(connection, KEY)
    assert encoded(stored) == encoded(again)
    found = {one.identity for block in stored.pairs for pair in block.pairs for one in pair}
    assert before not in found


def test_a_policy_under_another_name_goes_on_being_compared(lite: Any, spec_text: str) -> None:
    collected(lite, spec_text, 60)
    before = lite.states()["greedier"].policy_hash
    lite.apply(spec_text.replace('name = "greedier"', 'name = "bolder"'))
    lite.traffic(30)
    lite.settle()
    lite.learn()
    (block,) = rollups_of(lite).pairs
    assert before in {one.identity for pair in block.pairs for one in pair}
    assert recomputed(lite) == encoded(rollups_of(lite))
    report = experiment_report(lite.database, KEY, lite.clock(), whole=True)
    pairs = {(one.policy, one.baseline) for one in report.pairwise}
    assert ("serving", "bolder") in pairs or ("bolder", "serving") in pairs


def test_every_declared_field_is_cut_those_of_the_report_first(spec: Any) -> None:
    assert [cut.field for cut in cuts_of(spec)] == list(spec.context)

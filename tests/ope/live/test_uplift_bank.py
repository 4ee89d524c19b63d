from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from bandit_platform.ope.estimators.sums import WeightSums
from bandit_platform.ope.live.uplift_bank import UpliftBank
from bandit_platform.ope.live.weight_bank import WeightBank
from bandit_platform.ope.sequences.confidence_sequence import ConfidenceSequence, Settings
from bandit_platform.ope.sequences.many_bounds import many_bounds

SETTINGS = Settings(kind="uplift", tuning_rows=40, horizon=2000)


def rows(size: int, count: int, seed: int = 3) -> tuple[np.ndarray, ...]:
    """Gains, rewards and both weight bounds, the bounds growing on the way."""
    rng = np.random.default_rng(seed)
    gain = rng.choice([-4.0, 0.0, 0.5, 3.0], size=(size, count))
    reward = rng.random(count)
    bound = np.where(np.arange(count) < count // 2, 5.0, 17.0) * np.ones((size, 1))
    return gain, reward, bound, bound * 1.5


def filled(size: int, cuts: tuple[int, ...], count: int = 400) -> UpliftBank:
    gain, reward, bound, other = rows(size, count)
    bank = UpliftBank.empty(size, SETTINGS)
    edges = [0, *cuts, count]
    for first, last in pairwise(edges):
        some = slice(first, last)
        bank = bank.updated(gain[:, some], reward[some], bound[:, some], other[:, some])
    return bank


def single(place: int, count: int = 400) -> ConfidenceSequence:
    gain, reward, bound, other = rows(5, count)
    return ConfidenceSequence(settings=SETTINGS).updated(
        gain[place], reward, bound[place], other[place]
    )


def test_every_sequence_is_the_one_that_is_kept_alone_bit_for_bit() -> None:
    bank = filled(5, ())
    for place in range(5):
        assert bank.sequence(place) == single(place)


@pytest.mark.parametrize("cuts", [(1, 2, 39, 40, 41, 200), (40,), tuple(range(1, 400))])
def test_batches_change_no_bit(cuts: tuple[int, ...]) -> None:
    assert np.array_equal(filled(5, cuts).table, filled(5, ()).table)


def test_sequences_are_worked_on_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = filled(5, (17,)).table
    monkeypatch.setattr("bandit_platform.ope.live.uplift_bank._CELLS", 500)
    assert np.array_equal(filled(5, (17,)).table, whole)


def test_some_sequences_can_be_dropped() -> None:
    kept = filled(5, ()).chosen([3, 1])
    assert kept.sequence(0) == single(3)
    assert kept.sequence(1) == single(1)


def test_before_tuning_has_ended_it_collects() -> None:
    gain, reward, bound, other = rows(5, 39)
    bank = UpliftBank.empty(5, SETTINGS).updated(gain, reward, bound, other)
    assert bank.sequence(2) == ConfidenceSequence(settings=SETTINGS).updated(
        gain[2], reward, bound[2], other[2]
    )
    assert bank.sequence(2).collecting


def test_many_bounds_are_the_bounds_of_each() -> None:
    sequences = [single(place) for place in range(5)]
    sequences.append(ConfidenceSequence(settings=SETTINGS))
    for found, one in zip(many_bounds(sequences), sequences, strict=True):
        assert found == pytest.approx(one.bounds(), abs=1e-9)
    shared = replace(SETTINGS, alpha=SETTINGS.alpha / 7)
    for found, one in zip(many_bounds(sequences, looks=7), sequences, strict=True):
        assert found == pytest.approx(replace(one, settings=shared).bounds(), abs=1e-9)
        if not one.collecting:
            low, high = one.bounds()
            assert found[0] < low < high < found[1]


def test_many_bounds_of_none() -> None:
    assert many_bounds([]) == []
    assert many_bounds([ConfidenceSequence(settings=SETTINGS)]) == [(-1.0, 1.0)]


def test_weight_sums_are_those_kept_alone_bit_for_bit() -> None:
    rng = np.random.default_rng(1)
    weight, reward = rng.random((4, 300)) * 9, rng.random(300)
    bank = WeightBank.empty(4)
    for some in (slice(0, 7), slice(7, 8), slice(8, 300)):
        bank = bank.updated(weight[:, some], reward[some])
    for place in range(4):
        assert bank.sums(place) == WeightSums().updated(weight[place], reward)
    assert bank.chosen([2]).sums(0) == bank.sums(2)

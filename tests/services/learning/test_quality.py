"""The running tests of the logged propensities, on the worker's own way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from bandit_platform.services.learning.quality import Quality
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.storage.interactions import Interaction
from tests.support.decisions import redrawn

PMFS = {
    ("nothing", "upgrade", "insurance"): (0.5, 0.2, 0.3),
    ("nothing", "insurance"): (0.35, 0.65),
}


def stream(make_decision: Any, count: int, seed: int = 1) -> Iterator[Interaction]:
    """Interactions whose draws follow their probabilities."""
    rng = random.Random(seed)
    template = make_decision()
    for number in range(count):
        eligible = rng.choice(list(PMFS))
        pmf = PMFS[eligible]
        arm = rng.choices(eligible, pmf)[0]
        decision = redrawn(template, eligible=eligible, pmf=pmf, arm=arm)
        yield Interaction(number=number, decision=decision, reward=0.0, policy_traffic=True)


def test_right_propensities_raise_no_alarm(make_decision: Any) -> None:
    alarms = 0
    for seed in range(20):
        quality = Quality.empty().updated(list(stream(make_decision, 2000, seed)))
        alarms += quality.alarm() or bool(quality.miscalibrated())
    assert alarms <= 1


def test_lost_rows_of_one_arm_raise_the_alarm(make_decision: Any) -> None:
    rng = random.Random(3)
    kept = [
        each
        for each in stream(make_decision, 8000)
        if each.decision.arm != "upgrade" or rng.random() > 0.4
    ]
    quality = Quality.empty().updated(kept)
    assert quality.alarm()
    assert "upgrade" in quality.miscalibrated()


def test_cutting_into_batches_changes_nothing_but_rounding(make_decision: Any) -> None:
    rows = list(stream(make_decision, 1500))
    whole = Quality.empty().updated(rows)
    parts = Quality.empty()
    for start in range(0, 1500, 100):
        parts = Quality.from_json(parts.updated(rows[start : start + 100]).to_json())
    assert parts.ratio.log_e == pytest.approx(whole.ratio.log_e, abs=1e-9)
    assert parts.calibration.streams == whole.calibration.streams
    assert parts.arms == whole.arms


def test_an_arm_that_joins_later_is_tested_from_then_on(make_decision: Any) -> None:
    rows = list(stream(make_decision, 3000))
    early = [each for each in rows if "upgrade" not in each.decision.eligible]
    late = [each for each in rows if "upgrade" in each.decision.eligible]
    quality = Quality.empty().updated(early).updated(late)
    assert set(quality.arms) == {"nothing", "insurance", "upgrade"}
    assert not quality.alarm()
    assert not quality.miscalibrated()
    assert quality.ratio.n == 3000


def test_the_worker_keeps_it_and_the_report_shows_it(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    lite.traffic(60)
    lite.settle()
    lite.learn()
    report = experiment_report(lite.database, spec.key, lite.clock())
    assert report.quality.n == report.counts.interactions > 0
    assert not report.quality.sample_ratio_alarm
    assert report.quality.miscalibrated == ()
    by_name = {row.name: row for row in report.policies}
    assert by_name["logging"].verdict in {"ok", "caution"}
    assert by_name["always:upgrade"].why

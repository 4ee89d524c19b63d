from __future__ import annotations

from bandit_platform.services.reporting.report_records import QualityRow
from dashboards.overview.checks import checks


def test_nothing_is_claimed_before_there_is_data() -> None:
    assert checks(QualityRow()) == ()


def test_agreement_is_said_in_words() -> None:
    found = checks(QualityRow(n=1000, sample_ratio_evidence=1.7))
    assert [check.finding for check in found] == ["agrees", "agrees"]
    assert all(check.passed for check in found)
    assert "1.7" in found[0].meaning


def test_an_alarm_names_what_is_wrong() -> None:
    quality = QualityRow(
        n=1000, sample_ratio_evidence=5e6, sample_ratio_alarm=True, miscalibrated=("<b>vip</b>",)
    )
    ratio, calibration = checks(quality)
    assert not ratio.passed
    assert "missing or doubled" in ratio.finding
    assert not calibration.passed
    assert "<b>vip</b>" in calibration.finding

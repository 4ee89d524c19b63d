"""Whether the logged propensities can be believed, in words."""

from __future__ import annotations

from dataclasses import dataclass

from bandit_platform.services.reporting.report_records import QualityRow


@dataclass(frozen=True, kw_only=True)
class Check:
    """One running test as printed."""

    label: str
    #: "agrees" or what is wrong
    finding: str
    passed: bool
    meaning: str


def checks(quality: QualityRow) -> tuple[Check, ...]:
    """The running tests of an experiment; none before there is anything to test."""
    if not quality.n:
        return ()
    missing = quality.sample_ratio_alarm
    wrong = quality.miscalibrated
    return (
        Check(
            label="sample ratio",
            finding="does not agree: rows are missing or doubled" if missing else "agrees",
            passed=not missing,
            meaning=f"Each arm turns up as often as its probabilities say. Evidence against it: "
            f"{quality.sample_ratio_evidence:,.1f}; an alarm is raised at 100, which chance alone "
            "reaches once in a hundred experiments, however often one looks.",
        ),
        Check(
            label="calibration",
            finding=f"does not agree: {', '.join(wrong)}" if wrong else "agrees",
            passed=not wrong,
            meaning="For each arm, the share drawn stays inside the confidence sequence around "
            "its logged probability.",
        ),
    )

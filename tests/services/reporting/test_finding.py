from __future__ import annotations

from bandit_platform.services.reporting.finding import Verdict, finding, validity, verdict
from bandit_platform.services.reporting.report_records import EstimateRow

MINUS = "\N{MINUS SIGN}"


def row(
    value: float | None,
    lower: float,
    upper: float,
    interval: str = "confidence-sequence",
    collecting: bool = False,
) -> EstimateRow:
    return EstimateRow(
        value=value, lower=lower, upper=upper, interval=interval, n=100, collecting=collecting
    )


VAGUE = row(None, -55.0, 55.0, collecting=True)


def test_better_than_nothing_reads_as_the_product_page_says() -> None:
    said = finding(row(0.0211, 0.0118, 0.0301), VAGUE, "running", 20000, 18000)
    assert said == (
        "Showing offers brought +0.021 reward per decision over showing nothing "
        "(0.012 to 0.030, valid at every look)."
    )


def test_worse_than_nothing_says_so_first() -> None:
    said = finding(row(-0.0211, -0.0301, -0.0118), VAGUE, "running", 20000, 18000)
    assert said == (
        f"Showing nothing would have been better: offers changed reward by {MINUS}0.021 "
        f"per decision ({MINUS}0.030 to {MINUS}0.012, valid at every look)."
    )


def test_an_interval_across_zero_is_not_clear_yet() -> None:
    said = finding(row(0.004, -0.006, 0.014), VAGUE, "paused", 20000, 18000)
    assert said == (
        "Not clear yet: showing offers changed reward by +0.004 per decision over showing nothing "
        f"({MINUS}0.006 to +0.014, valid at every look)."
    )


def test_before_there_is_anything_to_say_it_says_what_is_missing() -> None:
    assert finding(VAGUE, VAGUE, "draft", 0, 0).startswith("Not started")
    assert finding(VAGUE, VAGUE, "running", 0, 0).startswith("No data yet")
    assert finding(VAGUE, VAGUE, "running", 1, 0) == (
        "Collecting data: 1 decision so far, and no reward window has ended yet."
    )
    assert finding(VAGUE, VAGUE, "running", 4000, 312) == (
        "Collecting data: 312 interactions so far, too few to say what showing offers brings."
    )


def test_while_collecting_the_holdout_may_already_speak() -> None:
    programme = row(0.31, 0.11, 0.51, "asymptotic-cs")
    said = finding(VAGUE, programme, "running", 4000, 312)
    assert said.endswith(
        "Against the holdout: +0.31 reward per unit "
        "(0.11 to 0.51, valid at every look once the sample is large)."
    )


def test_a_holdout_that_disagrees_is_never_hidden() -> None:
    against = row(-0.31, -0.51, -0.11, "asymptotic-cs")
    for_it = row(0.31, 0.11, 0.51, "asymptotic-cs")
    better, worse = row(0.021, 0.012, 0.030), row(-0.021, -0.030, -0.012)
    assert "The holdout says the opposite" in finding(better, against, "running", 9, 9)
    assert "The holdout says the opposite" in finding(worse, for_it, "running", 9, 9)
    assert "holdout" not in finding(better, for_it, "running", 9, 9)
    assert "holdout" not in finding(row(0.0, -1, 1), against, "running", 9, 9)


def test_verdicts() -> None:
    assert verdict(VAGUE, "draft", 0, 0) is Verdict.DRAFT
    assert verdict(row(1.0, 0.0, 2.0), "running", 9, 9) is Verdict.UNCLEAR
    assert verdict(row(1.0, 0.0, 2.0), "stopped", 9, 9) is Verdict.LEFT_OPEN
    assert verdict(row(1.0, 0.5, 2.0), "stopped", 9, 9) is Verdict.BETTER
    assert verdict(row(None, 0.5, 2.0), "paused", 9, 9) is Verdict.COLLECTING
    assert verdict(row(None, 0.5, 2.0), "stopped", 9, 0) is Verdict.COLLECTING
    assert verdict(row(None, 0.5, 2.0), "archived", 9, 9) is Verdict.TOO_FEW


def test_what_ended_promises_no_further_data() -> None:
    assert finding(VAGUE, VAGUE, "stopped", 40, 31) == (
        "Too few data: 31 interactions cannot say what showing offers brings, and no decision is "
        "added."
    )
    left = finding(row(0.004, -0.006, 0.014), VAGUE, "archived", 20000, 18000)
    assert left.startswith("Not clear: showing offers changed reward by +0.004")
    assert "yet" not in left


def test_an_interval_says_when_it_may_be_trusted() -> None:
    assert validity("linearised-normal") == "valid at one look only"

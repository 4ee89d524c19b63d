from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bandit_platform.services.reporting.report_records import ExperimentReport
from dashboards.overview.guidance import Guidance, first_experiment, guidance
from tests.dashboards.fake_reports import collecting, draft, empty, immature, nasty, rich

SHOP = "http://127.0.0.1:8080"


def given_to(report: ExperimentReport, window: timedelta | None = None) -> Guidance:
    found = guidance(report, SHOP, window)
    assert found is not None
    return found


def test_a_draft_is_told_how_to_start() -> None:
    assert given_to(draft()).command == "bandit-platform experiment start checkout-insurance"


def test_a_draft_is_sent_to_the_checklist_first() -> None:
    assert "“Checklist and start”, under Setup" in given_to(draft()).text


def test_without_decisions_the_first_one_is_asked_for_by_hand() -> None:
    command = given_to(empty()).command
    assert command.startswith(
        "curl http://127.0.0.1:8080/v1/experiments/thank-you-survey/decisions"
    )
    assert '"unit_id": "shopper-1"' in command
    assert "Bearer $SHOP_KEY" in command


def test_without_matured_decisions_it_says_when_the_first_window_ends() -> None:
    text = given_to(immature(), timedelta(days=7)).text
    assert "412 wait" in text
    assert "The window is 7 days, so none can mature before 29 Nov 2026, 08:15 GMT." in text
    assert "[reward]" in given_to(immature()).text


def test_without_events_it_shows_how_to_send_one() -> None:
    report = rich()
    silent = replace(report, counts=replace(report.counts, events=0, events_by_type={}))
    assert "/v1/events" in given_to(silent).command


def test_while_collecting_it_says_that_time_mends_it() -> None:
    found = given_to(collecting())
    assert found.title == "Collecting data"
    assert found.command == "bandit-platform report cart-upsell"


def test_what_ended_too_early_is_not_told_to_wait() -> None:
    found = given_to(replace(collecting(), state="stopped"))
    assert found.title == "Too few decisions for an estimate"
    assert "let shoppers come" not in found.text


def test_paused_is_told_how_to_go_on_and_stopped_that_it_is_over() -> None:
    assert given_to(nasty()).command == "bandit-platform experiment resume nasty"
    waiting = replace(empty(), state="paused")
    assert "resume" in given_to(waiting).command
    assert "ended before" in given_to(replace(empty(), state="stopped")).text


def test_an_experiment_that_has_what_it_needs_gets_no_advice() -> None:
    assert guidance(rich(), SHOP, None) is None


def test_an_empty_console_is_told_how_to_apply_the_first_experiment() -> None:
    assert first_experiment().command.startswith("bandit-platform experiment apply ")

from __future__ import annotations

from dataclasses import replace

from dashboards.policies.leaderboard import leaderboard
from tests.dashboards.fake_reports import collecting, draft, rich, vague_policy


def test_policies_stand_in_words_best_first() -> None:
    board = leaderboard(rich())
    assert [line.words for line in board.lines[:4]] == [
        "Candidate greedier",
        "Learned policy",
        "As it was served",
        "Always vip-upgrade",
    ]
    words = {line.words for line in board.lines}
    assert {"Always show nothing", "Every arm equally likely"} <= words


def test_numbers_are_rounded_by_their_interval_and_exact_beside_it() -> None:
    line = next(line for line in leaderboard(rich()).lines if line.name == "logging")
    assert line.value.value == "0.423"
    assert line.value.bounds == "0.414 to 0.432"
    assert line.value.exact_value == 0.4021 + 0.0213
    assert line.uplift.value == "+0.021"
    assert line.uplift.bounds == "+0.011 to +0.031"
    assert line.snips.validity == "valid at one look only"
    assert line.ess == "184,220"


def test_every_bar_is_on_the_same_axis() -> None:
    board = leaderboard(rich())
    places = [line.bar.point for line in board.lines if line.bar]
    assert places == sorted(places, reverse=True)
    assert board.baseline == next(line.bar.point for line in board.lines if line.is_baseline)


def test_what_is_collecting_is_withheld_and_stands_last() -> None:
    report = rich()
    vague = vague_policy("always:new", "fixed", 12)
    board = leaderboard(replace(report, policies=(vague, *report.policies)))
    assert board.lines[-1].words == "Always new"
    assert board.lines[-1].bar is None
    assert board.lines[-1].value.value == "collecting data"
    assert not board.collecting


def test_with_nothing_to_show_the_board_says_so() -> None:
    board = leaderboard(collecting())
    assert board.collecting
    assert board.ticks == ()
    assert board.baseline is None
    assert leaderboard(draft()).lines == ()


def test_every_verdict_but_ok_is_shown_with_its_reasons() -> None:
    report = rich()
    first, second, *rest = report.policies
    thin = replace(first, verdict="caution", why=("few rows", "heavy tail"))
    odd = replace(second, verdict="cannot-evaluate", why=("no support",))
    cautions = {
        line.name: line.caution
        for line in leaderboard(replace(report, policies=(thin, odd, *rest))).lines
    }
    assert cautions["logging"] == "caution: few rows; heavy tail"
    assert cautions["serving"] == "cannot be evaluated: no support"
    assert cautions["uniform"] == ""


def test_the_level_for_naming_a_winner_is_corrected_for_the_number_of_policies() -> None:
    assert leaderboard(rich()).corrected == "99.5"

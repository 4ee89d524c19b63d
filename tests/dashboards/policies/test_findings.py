"""The sentences at the top of pages claim no more than the intervals do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bandit_platform.services.reporting.report_records import ExperimentReport
from bandit_platform.storage.exclusions import Place
from dashboards.decisions.decision_list import Fates, fates
from dashboards.policies.findings import decisions_finding, policies_finding, segments_finding
from dashboards.policies.leaderboard import leaderboard
from dashboards.policies.page import policies_page
from dashboards.policies.segment_lines import forest
from dashboards.policies.segments_page import segments_page
from dashboards.policies.words import policy_inline
from tests.dashboards.fake_comparisons import rich_whole, segment, whole, whole_reports
from tests.dashboards.fake_reports import collecting, draft, estimate


@pytest.mark.parametrize("report", whole_reports(), ids=lambda report: report.experiment)
@pytest.mark.parametrize("together", [False, True])
def test_a_policy_is_called_better_only_where_all_intervals_hold_together(
    report: ExperimentReport, together: bool
) -> None:
    said = policies_page(report, "always:nothing", together=together).finding
    board = leaderboard(report, together=True)
    told = [line for line in board.lines if not line.is_baseline and not line.uplift.collecting]
    better = [line for line in told if line.uplift.exact_lower > 0]
    assert said.startswith("Collecting data") is not bool(told)
    assert ("all intervals together" in said) is bool(better)
    if better:
        assert better[0].uplift.bounds in said


def test_policies_without_data_collect() -> None:
    assert "no reward window has ended" in policies_finding(leaderboard(draft()))
    assert "too few so far" in policies_finding(leaderboard(collecting()))


def test_a_policy_that_cannot_be_evaluated_is_no_winner() -> None:
    report = rich_whole()
    best = leaderboard(report, together=True).lines[0]
    rows = tuple(
        replace(row, verdict="cannot-evaluate", why=("no support",))
        if row.name == best.name
        else row
        for row in report.policies
    )
    said = policies_page(replace(report, policies=rows), "always:nothing", together=True).finding
    assert policy_inline(best.name, best.kind) not in said
    assert "the learned policy by most" in said
    assert said.endswith("cannot be evaluated and is left out.")
    none = tuple(replace(row, verdict="cannot-evaluate") for row in report.policies)
    for name in ("always:nothing", "logging"):
        page = policies_page(replace(report, policies=none), name, together=True)
        assert page.finding.endswith("the baseline cannot be evaluated.")


def test_names_within_a_sentence_keep_their_letters() -> None:
    report = rich_whole()
    row = replace(
        report.policies[0], uplift=estimate(0.05, 0.01, 5000), name="lost", kind="serving"
    )
    said = policies_finding(leaderboard(replace(report, policies=(row,), pairwise=())))
    assert "; the learned policy by most" in said


def test_no_winner_is_named_where_there_is_none() -> None:
    report = rich_whole()
    row = report.policies[0]
    lost = replace(row, uplift=estimate(-0.05, 0.01, 5000), name="lost", kind="fixed")
    said = policies_finding(leaderboard(replace(report, policies=(lost,), pairwise=())))
    assert said == "No policy clearly beats nothing yet; 1 of 1 are clearly worse."


def test_segments_are_named_by_what_offers_do_there() -> None:
    said = segments_page(rich_whole(), None, None).finding
    assert (
        said == "By country, the learned policy helps GB and harms DE and =cmd(); "
        "2 of 5 segments are not clear yet."
    )
    assert segments_page(rich_whole(), None, "always:vip-upgrade").finding.startswith(
        "By country, always vip-upgrade helps GB"
    )


def test_segments_that_cannot_be_told_are_not() -> None:
    page = segments_page(whole(collecting()), None, None)
    assert page.finding == "Collecting data: no segment of country can be told yet."
    (line,) = ((segment("GB", "serving", estimate(0.01, 0.02, 5000))),)
    assert segments_finding("country", forest((line,)), "the learned policy") == (
        "Not clear yet for the one segment of country whether the learned policy helps."
    )
    assert segments_finding("country", forest(()), "the learned policy") == ""


def test_the_arm_that_falls_out_most_is_named_with_its_reason() -> None:
    counts = {
        Place(experiment="x", revision=1, fate="decided", why="policy", arm=""): 90,
        Place(experiment="x", revision=1, fate="decided", why="holdout", arm=""): 10,
        Place(experiment="x", revision=1, fate="eligible", why="", arm="vip"): 60,
        Place(
            experiment="x",
            revision=1,
            fate="out",
            why='{"code": "condition", "field": "cart_value", "operator": "gte", "limit": 50.0}',
            arm="vip",
        ): 30,
        Place(experiment="x", revision=1, fate="eligible", why="", arm="parking"): 90,
    }
    arms = ("nothing", "vip", "parking")
    assert decisions_finding(fates(counts, arms)) == (
        "vip falls out most: it could not be shown in 33.3\N{NO-BREAK SPACE}% of 90 decisions, "
        "because cart_value must be at least 50."
    )
    assert decisions_finding(fates({}, arms)) == ""
    held = {Place(experiment="x", revision=1, fate="decided", why="holdout", arm=""): 10}
    assert decisions_finding(fates(held, arms)) == (
        "No decision has compared arms yet, of 10 so far."
    )


def _fates(out: dict[str, int], eligible: int) -> Fates:
    decided = eligible + sum(out.values())
    places = {("decided", "policy", ""): decided, ("eligible", "", "vip"): eligible} | {
        ("out", f'{{"code": "condition", "field": "{field}"}}', "vip"): number
        for field, number in out.items()
    }
    counts = {
        Place(experiment="x", revision=1, fate=fate, why=why, arm=arm): number
        for (fate, why, arm), number in places.items()
    }
    return fates(counts, ("vip",))


def test_a_reason_for_less_than_half_is_only_the_most_frequent() -> None:
    said = decisions_finding(_fates({"a": 39, "b": 31, "c": 30}, eligible=100))
    assert said.endswith("of 200 decisions, most often because a is missing from the context.")


def test_shares_of_few_decisions_are_withheld() -> None:
    few, enough = _fates({"a": 9}, eligible=20), _fates({"a": 10}, eligible=20)
    assert decisions_finding(few) == (
        "Too few decisions have compared arms to say which fall out: 29 of at least 30."
    )
    assert [few.arms[0].eligible_share, few.arms[0].out[0].share] == ["", ""]
    assert few.arms[0].eligible_width == 0.0
    assert few.arms[0].out[0].decisions == 9
    assert enough.arms[0].out[0].share == "33.3\N{NO-BREAK SPACE}%"
    assert enough.arms[0].shown_share == ""
    assert "33.3" in decisions_finding(enough)

from __future__ import annotations

from dataclasses import replace

from bandit_platform.services.reporting.data_quality import data_quality
from dashboards.quality_page import quality_page
from tests.dashboards.fake_reports import draft, rich
from tests.services.reporting.test_data_quality import audited, upkeep


def test_the_headline_counts_what_is_wrong() -> None:
    fine = quality_page(data_quality(upkeep(), []))
    assert fine.headline == "Nothing is wrong with the data, as far as can be checked."
    one = quality_page(data_quality(upkeep(worker_leads=False, torn=2.0), []))
    assert one.headline == "1 check is broken and 1 is worth a look."


def test_troubled_experiments_come_first_and_drafts_are_brief() -> None:
    other = replace(rich(), experiment="troubled")
    page = quality_page(
        data_quality(upkeep(), [(draft(), None, 0), (rich(), audited(), 0), (other, audited(2), 0)])
    )
    assert [group.experiment for group in page.groups] == [
        "", "troubled", "confirmation-page", "checkout-insurance",
    ]  # fmt: skip
    assert page.groups[-1].lines == ()
    audit = next(line for line in page.groups[1].lines if line.name == "audit")
    assert (audit.state, audit.value) == ("broken", "2 of 500 differ")
    assert audit.found == ("id: the seed draws another arm",) * 2
    assert "bandit-platform audit" in audit.mend


def test_among_many_experiments_those_without_trouble_are_folded() -> None:
    troubled = replace(rich(), experiment="troubled")
    few = quality_page(data_quality(upkeep(), [(draft(), None, 0), (rich(), audited(), 0)]))
    assert (few.folds, few.quiet) == (False, ())
    drafts = [(replace(draft(), experiment=f"draft-{n}"), None, 0) for n in range(6)]
    page = quality_page(
        data_quality(upkeep(), [*drafts, (rich(), audited(), 0), (troubled, audited(2), 0)])
    )
    assert page.folds
    assert len(page.quiet) == 6
    looked = {each.experiment: {line.state for line in each.lines} for each in page.groups}
    for each in page.groups:
        assert each.fine is not bool(looked[each.experiment] & {"look", "broken"})
    assert {each.fine for each in page.groups if each.lines} == {True, False}


def test_a_folded_group_calls_fine_only_what_was_checked() -> None:
    page = quality_page(data_quality(upkeep(), [(rich(), audited(), 0)]))
    line = page.groups[1].lines[0]
    fine, unknown = replace(line, state="fine"), replace(line, state="nothing to check yet")
    group = page.groups[1]
    assert replace(group, lines=(fine, fine)).summary == "all 2 checks"
    assert (
        replace(group, lines=(fine, unknown)).summary == "1 of 2 checks; nothing to check yet in 1"
    )
    assert replace(group, lines=(unknown,)).checked == 0
    assert replace(group, lines=(unknown,)).summary == ""


def test_every_check_has_a_value_limits_and_a_meaning() -> None:
    page = quality_page(data_quality(upkeep(), [(rich(), audited(), 0)]))
    for group in page.groups:
        for line in group.lines:
            assert line.label
            assert line.meaning.endswith(".")
            assert line.value or line.state == "nothing to check yet"
    lines = {line.name: line for group in page.groups for line in group.lines}
    assert lines["other_currency"].limits.startswith("look at a single one")
    assert lines["ingest_lag"].limits == "look from 5 s, broken from 60 s"
    assert (lines["late"].mend == "") is (lines["late"].state == "fine")

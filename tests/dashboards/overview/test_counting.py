from __future__ import annotations

from dataclasses import replace

from dashboards.overview.counting import CountLine, count_groups
from tests.dashboards.fake_reports import NO_COUNTS, RICH_COUNTS


def lines(counts: object) -> dict[str, CountLine]:
    groups = count_groups(counts)  # type: ignore[arg-type] # one of the fakes
    return {line.key: line for group in groups for line in group.lines}


def test_every_count_of_the_report_is_there_with_its_meaning() -> None:
    found = lines(RICH_COUNTS)
    assert all(line.meaning for line in found.values())
    for name in ("decisions", "interactions", "holdout_interactions", "immature", "learned"):
        assert found[name].count == getattr(RICH_COUNTS, name)
    named = ("not_activated", "events", "late", "orphan", "clipped", "other_currency")
    for name in (*named, "early_events", "unknown_currency", "conflicting_events"):
        assert found[name].count == getattr(RICH_COUNTS, name)
    for reason, count in RICH_COUNTS.by_reason.items():
        assert found[f"reason-{reason}"].count == count
    for kind, count in RICH_COUNTS.events_by_type.items():
        assert found[f"event-{kind}"].count == count


def test_every_decision_is_in_exactly_one_place() -> None:
    found = lines(RICH_COUNTS)
    places = ("interactions", "holdout_interactions", "immature", "not_activated", "not_measured")
    assert sum(found[place].count for place in places) == found["decisions"].count
    assert not any(found[place].part for place in places)


def test_fallback_is_shown_even_when_there_was_none() -> None:
    found = lines(replace(NO_COUNTS, by_reason={"stopped": 0}))
    assert found["reason-fallback"].count == 0
    assert "reason-stopped" not in found


def test_only_what_is_out_of_line_asks_for_a_look() -> None:
    calm = lines(RICH_COUNTS)
    assert {key for key, line in calm.items() if line.check} == {"other_currency"}
    bad = replace(RICH_COUNTS, orphan=50_000, clipped=40_000, late=90_000)
    checked = {key for key, line in lines(bad).items() if line.check}
    assert checked == {"other_currency", "orphan", "clipped", "late"}
    assert "16.6" in lines(bad)["orphan"].check

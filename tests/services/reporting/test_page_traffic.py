"""What a report says of page traffic: floods, implausible rewards, and cautions with numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bandit_platform.domain.page_source import ArmCounts, PageSource, SourceKind
from bandit_platform.services.reporting.page_traffic import page_cautions, page_traffic
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.services.reporting.report_records import PageTraffic
from bandit_platform.storage.page_sources import put_page_sources

KEY = "checkout-offers"


def source(
    kind: str,
    name: str,
    decisions: int = 0,
    over: int = 0,
    arms: Mapping[str, tuple[int, int]] | None = None,
) -> PageSource:
    counts = {arm: ArmCounts(decisions=n, rewarded=r) for arm, (n, r) in (arms or {}).items()}
    return PageSource(
        kind=SourceKind(kind), name=name, rank=0, decisions=decisions, over_limit=over, arms=counts
    )


def traffic(world: Any, *sources: PageSource) -> PageTraffic:
    with world.database.write() as connection:
        put_page_sources(connection, KEY, sources)
        return page_traffic(connection, KEY)


@pytest.fixture
def launched(lite: Any, spec: Any) -> Any:
    lite.launch(spec)
    return lite


def test_without_page_traffic_there_is_nothing_to_say(launched: Any) -> None:
    with launched.database.read() as connection:
        assert page_traffic(connection, KEY) == PageTraffic()
    report = experiment_report(launched.database, KEY, launched.clock())
    assert (report.page_traffic, report.cautions) == (PageTraffic(), ())


@pytest.mark.parametrize(
    ("own", "others", "implausible"),
    [
        ((40, 40), (1000, 100), True),
        ((29, 29), (1000, 100), False),  # too few decisions
        ((40, 40), (99, 10), False),  # too few others
        ((40, 12), (1000, 100), False),  # three times as often, by chance
        ((4000, 700), (10_000, 1000), False),  # far beyond chance, not twice as often
        ((4000, 900), (10_000, 1000), True),
        ((40, 40), (1000, 600), False),  # cannot be twice as often
        ((40, 0), (1000, 100), False),
        ((300, 60), (1000, 0), True),
    ],
)
def test_a_source_is_implausible_far_above_all_others(
    launched: Any, own: tuple[int, int], others: tuple[int, int], implausible: bool
) -> None:
    both = (own[0] + others[0], own[1] + others[1])
    found = traffic(
        launched,
        source("key", "", 1, arms={"upgrade": both}),
        source("address", "a" * 16, 1, arms={"upgrade": own}),
    )
    assert bool(found.implausible) is implausible
    if implausible:
        (row,) = found.implausible
        assert (row.kind, row.arm, row.decisions, row.rewarded) == ("address", "upgrade", *own)
        assert (row.other_decisions, row.other_rewarded) == others


def test_the_rule_finds_one_arm_that_is_praised_among_many_that_are_not(launched: Any) -> None:
    """Overall such a source may be rewarded less often than the others."""
    found = traffic(
        launched,
        source("key", "", 1, arms={"upgrade": (200, 60), "insurance": (5000, 1500)}),
        source("unit", "b" * 32, 1, arms={"upgrade": (50, 50), "insurance": (1000, 0)}),
    )
    assert [(row.name, row.arm) for row in found.implausible] == [("b" * 32, "upgrade")]


@pytest.mark.parametrize(("address", "named"), [((30, 4900), False), ((100, 9700), True)])
def test_a_caution_names_the_setting_where_one_address_has_most_page_traffic(
    launched: Any, address: tuple[int, int], named: bool
) -> None:
    pages = traffic(launched, source("key", "", 300, 9_700), source("address", "d" * 16, *address))
    (said,) = page_cautions(pages)
    assert ("One address had 98 % of the page traffic" in said) is named
    assert ("BANDIT_PLATFORM_PROXIES" in said) is named


def test_cautions_say_how_much_and_only_where_it_matters(launched: Any) -> None:
    few = traffic(launched, source("key", "", 10_000, 99))
    assert page_cautions(few) == ()
    little = traffic(launched, source("key", "", 100_000, 900))
    assert page_cautions(little) == ()
    many = traffic(launched, source("key", "", 9_000, 1_000))
    (said,) = page_cautions(many)
    assert "1,000 of 10,000 decisions that pages requested (10.0 %)" in said
    assert "BANDIT_PLATFORM_PROXIES" not in said
    praised = traffic(
        launched,
        source("key", "", 9_000, arms={"upgrade": (1000, 150)}),
        source("address", "c" * 16, 60, arms={"upgrade": (60, 60)}),
    )
    (said,) = page_cautions(praised)
    assert said.startswith(f"Address {'c' * 16} had 60 of its 60 decisions of upgrade rewarded")
    assert "90 of 940" in said
    trifle = traffic(
        launched,
        source("key", "", 9_000, arms={"upgrade": (100_000, 10_000)}),
        source("address", "c" * 16, 60, arms={"upgrade": (60, 60)}),
    )
    assert trifle.implausible
    assert page_cautions(trifle) == ()


def test_floods_name_the_key_by_its_label_and_the_busiest_of_each_kind(launched: Any) -> None:
    launched.run(
        "INSERT INTO key (key_id, digest, origins, label, created_at) "
        "VALUES ('0123456789abcdef', 'd', '[]', 'the shop''s pages', 0)"
    )
    addresses = [source("address", f"{n:016x}", 10, 100 * n) for n in range(1, 6)]
    found = traffic(
        launched,
        source("key", "", 50, 1500),
        source("key", "0123456789abcdef", 50, 1500),
        source("unit", "quiet", 5, 0),
        *addresses,
    )
    assert [(row.kind, row.label, row.over_limit) for row in found.floods] == [
        ("key", "the shop's pages", 1500),
        *(("address", "", 100 * n) for n in (5, 4, 3)),
    ]
    assert found.largest_address is not None
    assert found.largest_address.name == f"{5:016x}"
    report = experiment_report(launched.database, KEY, launched.clock())
    assert report.to_dict()["page_traffic"]["floods"][0]["label"] == "the shop's pages"
    assert report.cautions == page_cautions(found)

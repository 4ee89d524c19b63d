"""Where page traffic comes from, and which sources distort the numbers.

A source is implausible where 30 or more of its matured decisions of one arm were rewarded twice as
often as those of all other page traffic, by more than 6 standard errors. An honest shop has
hundreds of sources and arms, each looked at again and again; six standard errors allow for that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from bandit_platform.domain.page_source import TOTAL, ArmCounts, PageSource, SourceKind
from bandit_platform.services.reporting.report_records import (
    ImplausibleRow,
    PageSourceRow,
    PageTraffic,
)
from bandit_platform.storage.database import Connection
from bandit_platform.storage.keys import key_labels
from bandit_platform.storage.page_sources import page_sources

#: matured decisions of an arm that say something of a source, and of all others
_ENOUGH, _ENOUGH_OTHERS = 30, 100
_TIMES = 2.0
_ERRORS = 6.0
#: sources of a kind that are shown
_SHOWN = 3
#: decisions above a limit that are worth a word, and their part of the page traffic
_MANY_OVER, _SHARE_OVER = 100, 0.01
#: part of the page traffic that one address has where a proxy in front is probably not known
_SHARE_PROXY = 0.5
#: part of an arm's rewarded page traffic that an implausible source must have to be worth a word
_SHARE_REWARDED = 0.05


def page_traffic(connection: Connection, experiment: str) -> PageTraffic:
    """What is counted of an experiment's page traffic."""
    sources = page_sources(connection, experiment)
    totals = {each.kind: each for each in sources if each.name == TOTAL}
    if SourceKind.KEY not in totals:
        return PageTraffic()
    named = [each for each in sources if each.name != TOTAL]
    labels = key_labels(connection)
    total = totals[SourceKind.KEY]
    addresses = [each for each in named if each.kind is SourceKind.ADDRESS]
    largest = max(addresses, key=lambda each: each.asked, default=None)
    return PageTraffic(
        decisions=total.decisions,
        over_limit=total.over_limit,
        largest_address=None if largest is None else _row(largest, labels),
        floods=tuple(_row(each, labels) for each in _floods(named, total)),
        implausible=tuple(_implausible(named, total.arms, labels)),
    )


def page_cautions(pages: PageTraffic) -> tuple[str, ...]:
    """Cautions about page traffic, as sentences for readers of the report."""
    return (*_over_caution(pages), *_implausible_caution(pages))


def source_text(source: PageSourceRow | ImplausibleRow) -> str:
    """A source in words."""
    label = f" ({source.label})" if source.label else ""
    return f"{source.kind} {source.name}{label}"


def _over_caution(pages: PageTraffic) -> Iterable[str]:
    asked = pages.decisions + pages.over_limit
    if pages.over_limit >= max(_MANY_OVER, _SHARE_OVER * asked):
        share = 100 * pages.over_limit / asked
        yield (
            f"{pages.over_limit:,} of {asked:,} decisions that pages requested ({share:.1f} %) "
            "were above the limit of a unit or an address. Shoppers got their offers as usual, but "
            "these decisions are left out of every estimate and trained no model."
            f"{_proxy_hint(pages, asked)}"
        )


def _proxy_hint(pages: PageTraffic, asked: int) -> str:
    largest = pages.largest_address
    if largest is None:
        return ""
    share = (largest.decisions + largest.over_limit) / asked
    if share < _SHARE_PROXY:
        return ""
    return (
        f" One address had {100 * share:.0f} % of the page traffic. If it is a "
        "proxy in front of the service, all shoppers share its limit: set "
        "BANDIT_PLATFORM_PROXIES to the number of proxies."
    )


def _implausible_caution(pages: PageTraffic) -> Iterable[str]:
    worst = [
        each
        for each in pages.implausible
        if each.rewarded >= _SHARE_REWARDED * (each.rewarded + each.other_rewarded)
    ]
    for each in worst[:_SHOWN]:
        yield (
            f"{source_text(each).capitalize()} had {each.rewarded:,} of its {each.decisions:,} "
            f"decisions of {each.arm} rewarded; all other page traffic {each.other_rewarded:,} of "
            f"{each.other_decisions:,}. These rewards may be forged to favour {each.arm}, and "
            "they are in the estimates."
        )


def _floods(named: Iterable[PageSource], total: PageSource) -> Iterable[PageSource]:
    least = max(1.0, 0.01 * total.over_limit)
    found = sorted(
        (each for each in named if each.over_limit >= least), key=lambda each: -each.over_limit
    )
    for kind in SourceKind:
        yield from [each for each in found if each.kind is kind][:_SHOWN]


def _implausible(
    named: Iterable[PageSource], all_arms: Mapping[str, ArmCounts], labels: Mapping[str, str]
) -> Iterable[ImplausibleRow]:
    found = [
        ImplausibleRow(
            kind=each.kind.value,
            name=each.name,
            label=labels.get(each.name, ""),
            arm=arm,
            decisions=own.decisions,
            rewarded=own.rewarded,
            other_decisions=all_arms[arm].decisions - own.decisions,
            other_rewarded=all_arms[arm].rewarded - own.rewarded,
        )
        for each in named
        for arm, own in each.arms.items()
        if arm in all_arms
    ]
    return sorted(filter(_is_implausible, found), key=lambda row: -row.rewarded)


def _is_implausible(row: ImplausibleRow) -> bool:
    if row.decisions < _ENOUGH or row.other_decisions < _ENOUGH_OTHERS:
        return False
    usual = row.other_rewarded / row.other_decisions
    expected = row.decisions * usual
    error = math.sqrt(expected * max(1.0 - usual, 0.0) + 1.0)
    return row.rewarded >= _TIMES * expected and row.rewarded > expected + _ERRORS * error


def _row(source: PageSource, labels: Mapping[str, str]) -> PageSourceRow:
    return PageSourceRow(
        kind=source.kind.value,
        name=source.name,
        label=labels.get(source.name, ""),
        decisions=source.decisions,
        over_limit=source.over_limit,
    )

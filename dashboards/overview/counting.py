"""Counts of what arrived and what became of it, each with its meaning in one line."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from bandit_platform.domain.decision import MEASURED, OVER_LIMIT
from bandit_platform.services.reporting.report_records import Counts
from dashboards.text import percent

_REASONS = MappingProxyType(
    {
        "policy": "A published model decided.",
        "uniform": "Every eligible arm was equally likely: no model yet, or the mode is uniform.",
        "holdout": "Set aside by chance; always nothing.",
        "fallback": "Something failed while deciding, so the shop got nothing. In no estimate.",
        "paused": "Asked for while paused; always nothing. In no estimate.",
        "stopped": "Asked for after the stop; always nothing. In no estimate.",
        "draft": "Asked for before the start, as a test; always nothing. In no estimate.",
        OVER_LIMIT: "Page traffic above the limit of its unit or address: answered normally, but "
        "left out of every estimate.",
    }
)
_EVENTS = MappingProxyType(
    {
        "impression": "The offer was really seen.",
        "accept": "The shopper took the offer.",
        "dismiss": "The shopper closed the offer.",
        "purchase": "Something was bought.",
        "return": "Something bought was sent back.",
        "complaint": "The shopper complained.",
        "review": "The shopper wrote a review.",
        "referral": "The shopper sent somebody else.",
        "repeat-purchase": "The shopper came back and bought again.",
        "visit": "The shopper came to the site.",
        "conversion": "The shopper did what the experiment is after.",
    }
)


@dataclass(frozen=True, kw_only=True)
class CountLine:
    """One count as printed."""

    #: stable name, for tests and links
    key: str
    label: str
    count: int
    meaning: str
    #: part of the line above it
    part: bool = False
    #: why somebody should look; empty when all is well
    check: str = ""


@dataclass(frozen=True, kw_only=True)
class CountGroup:
    """Counts that belong together."""

    title: str
    lines: tuple[CountLine, ...]


def count_groups(counts: Counts) -> tuple[CountGroup, ...]:
    """Decisions by reason, what became of them, and events."""
    return (
        CountGroup(title="Decisions", lines=_decisions(counts)),
        CountGroup(title="What became of them", lines=_fates(counts)),
        CountGroup(title="Events", lines=_events(counts)),
    )


def _decisions(counts: Counts) -> tuple[CountLine, ...]:
    rare = {"paused", "stopped", "draft", OVER_LIMIT}
    reasons = {
        reason: count
        for reason, count in {"fallback": 0, **counts.by_reason}.items()
        if count or reason not in rare
    }
    order = {reason: place for place, reason in enumerate(_REASONS)}
    total = CountLine(
        key="decisions",
        label="all decisions",
        count=counts.decisions,
        meaning="Answers given to the shop, showing nothing included.",
    )
    parts = [
        CountLine(
            key=f"reason-{reason}",
            label=reason.replace("_", " "),
            count=count,
            meaning=_REASONS.get(reason, "Given with this reason."),
            part=True,
            check=_check(reason == "fallback", count, counts.decisions, 0.01),
        )
        for reason, count in sorted(reasons.items(), key=lambda item: order.get(item[0], 99))
    ]
    return (total, *parts)


def _fates(counts: Counts) -> tuple[CountLine, ...]:
    interactions = CountLine(
        key="interactions",
        label="interactions",
        count=counts.interactions,
        meaning="Policy decisions that matured: what the policies' estimates rest on.",
    )
    learned = CountLine(
        key="learned",
        label="learned",
        count=counts.learned,
        meaning="Interactions the serving policy has learned from.",
        part=True,
    )
    clipped = CountLine(
        key="clipped",
        label="clipped",
        count=counts.clipped,
        meaning="Interactions whose reward lay outside the declared range and was cut to it.",
        part=True,
        check=_check(True, counts.clipped, counts.interactions, 0.01),
    )
    lines = (
        ("holdout_interactions", "holdout interactions", counts.holdout_interactions,
         "Holdout decisions that matured: the other side of the programme uplift."),
        ("immature", "immature", counts.immature,
         "Their reward window is still open; in no estimate yet."),
        ("not_activated", "not activated", counts.not_activated,
         "Decided ahead, but the shop never said it was shown; never counted."),
        ("disputed", "disputed", counts.disputed,
         "Two nodes answered one request key differently; which answer counted is unknown."),
        ("left_out", "left out", counts.left_out,
         "Stored rows that cannot have come about as they say; the log says which and why."),
        ("not_measured", "not measured", _not_measured(counts),
         "Fallback, paused, stopped and test answers, and page traffic over a limit: in no "
         "estimate, whatever follows."),
    )  # fmt: skip
    others = [CountLine(key=k, label=name, count=n, meaning=why) for k, name, n, why in lines]
    return (interactions, learned, clipped, *others)


def _not_measured(counts: Counts) -> int:
    return sum(count for reason, count in counts.by_reason.items() if reason not in MEASURED)


def _events(counts: Counts) -> tuple[CountLine, ...]:
    total = CountLine(
        key="events",
        label="all events",
        count=counts.events,
        meaning="Outcomes the shop reported, repeats not counted.",
    )
    types = [
        CountLine(
            key=f"event-{name}",
            label=name,
            count=count,
            meaning=_EVENTS.get(name, "Reported under this name."),
            part=True,
        )
        for name, count in sorted(counts.events_by_type.items(), key=lambda item: -item[1])
    ]
    return (total, *types, *_troubles(counts))


def _troubles(counts: Counts) -> tuple[CountLine, ...]:
    lines = (
        ("late", counts.late - counts.late_arrivals, 0.05,
         "Occurred or were reported after the reward window; kept, but in no reward."),
        ("late arrivals", counts.late_arrivals, 0.0,
         "Acknowledged in time, but stored after the reward was final; in no reward."),
        ("orphan", counts.orphan, 0.01,
         "Name a decision that is not stored yet, in whichever experiment; kept until it is."),
        ("other currency", counts.other_currency, 0.0,
         "Amounts in another currency than the experiment's; left out, never added up."),
        ("early events", counts.early_events, 0.0,
         "Dated more than 5 minutes before their decision; kept, but in no reward."),
        ("unknown currency", counts.unknown_currency, 0.0,
         "Amounts from pages, before the experiment had a currency; not in any reward."),
        ("conflicting events", counts.conflicting_events, 0.0,
         "Reports that differ under one event_id; a server's report counts before a page's."),
    )  # fmt: skip
    return tuple(
        CountLine(
            key=name.replace(" ", "_"),
            label=name,
            count=count,
            meaning=meaning,
            check=_check(True, count, counts.events, limit),
        )
        for name, count, limit, meaning in lines
    )


def _check(applies: bool, count: int, total: int, limit: float) -> str:
    if not applies or count == 0 or total == 0 or count / total <= limit:
        return ""
    return f"{percent(count / total)} of {total:,}: worth a look"

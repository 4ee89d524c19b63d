"""Decides which of several reports under one event id counts.

A server's report counts before a page's, whichever was read first: otherwise a page that guesses
the id of a purchase could make the server's own report a repeat. Among reports of equal trust the
first one read counts. The others are repeats where they say the same, and conflicts where not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from bandit_platform.domain.event import Event, Lateness
from bandit_platform.storage.database import Connection
from bandit_platform.storage.events import replace_events, stored_events

Key = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """A page's report whose place the server's takes."""

    before: Event
    #: why the page's was late
    was_late: Lateness | None
    after: Event


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What became of reports under ids that were taken."""

    replaced: tuple[Replaced, ...]
    #: a server's reports that came when a page's had already counted
    too_late: tuple[Event, ...]
    #: reports of another content than the one that was stored
    conflicts: tuple[Event, ...]


def one_of_each(events: Iterable[Event]) -> tuple[dict[Key, Event], list[Event]]:
    """The event that counts under each id, and those whose content differs from it."""
    chosen: dict[Key, Event] = {}
    conflicts: list[Event] = []
    for event in events:
        key = (event.decision_id, event.event_id)
        first = chosen.setdefault(key, event)
        if first is event:
            continue
        winner, loser = (event, first) if event.trusted and not first.trusted else (first, event)
        chosen[key] = winner
        if not winner.content.agrees(loser.content):
            conflicts.append(loser)
    return chosen, conflicts


def settle_repeats(
    connection: Connection,
    repeats: Sequence[tuple[Event, Lateness | None]],
    matured: Collection[str],
) -> Settled:
    """Compare reports with those stored under their ids, and store what takes their place.

    Args:
        connection: the transaction that stores events.
        repeats: reports whose id was taken, each with why it is late.
        matured: decisions whose reward is final: what counted in it stays.
    """
    stored = stored_events(connection, [(e.decision_id, e.event_id) for e, _ in repeats])
    replaced, too_late, conflicts = [], [], []
    for event, _ in repeats:
        before, was_late = stored[event.decision_id, event.event_id]
        if not before.content.agrees(event.content):
            conflicts.append(event)
        if not event.trusted or before.trusted:
            continue
        if event.decision_id in matured and was_late is None:
            too_late.append(event)
        else:
            replaced.append(Replaced(before=before, was_late=was_late, after=event))
    places = {(each.after.decision_id, each.after.event_id) for each in replaced}
    replace_events(
        connection, [pair for pair in repeats if (pair[0].decision_id, pair[0].event_id) in places]
    )
    return Settled(replaced=tuple(replaced), too_late=tuple(too_late), conflicts=tuple(conflicts))

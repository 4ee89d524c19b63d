"""From the journal into the database: read at least once, take effect exactly once.

The position in each segment commits with the rows it stands for, and rows whose key is already
there are left alone; so a crash anywhere repeats work but never an effect. A segment is deleted
only after all its rows are committed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from bandit_platform.domain.decision import Decision, Reason
from bandit_platform.domain.event import CLOCK_TOLERANCE, Event, Lateness
from bandit_platform.domain.request_event import RequestEvent
from bandit_platform.errors import JournalError
from bandit_platform.journal.reader import (
    Chunk,
    keep_damaged,
    read_chunk,
    remove_segment,
    segments,
)
from bandit_platform.journal.records import Activation, RequestConflict
from bandit_platform.services.collecting.arm_names import names_of_exclusions
from bandit_platform.services.collecting.arms import store_arms
from bandit_platform.services.collecting.count_exclusions import count_exclusions
from bandit_platform.services.collecting.count_page_sources import count_page_decisions
from bandit_platform.services.collecting.dispute import mark_disputes
from bandit_platform.services.collecting.event_types import Reported, cap_types
from bandit_platform.services.collecting.repeated_events import (
    Settled,
    one_of_each,
    settle_repeats,
)
from bandit_platform.storage.counters import (
    PAGE_CONFLICTS,
    REQUEST_EVENTS,
    SERVER_CONFLICTS,
    add,
)
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.decisions import (
    FoundDecision,
    find_decisions,
    find_immature,
    insert_activations,
    insert_decisions,
)
from bandit_platform.storage.events import adopt_orphans, insert_events, mark_late
from bandit_platform.storage.exclusions import add_exclusions
from bandit_platform.storage.lease import take_turns
from bandit_platform.storage.models import note_model_uses
from bandit_platform.storage.positions import (
    forget_journal_position,
    journal_positions,
    put_journal_position,
)
from bandit_platform.storage.request_events import insert_request_events, look_again
from bandit_platform.storage.statements import to_micros

_log = structlog.get_logger(__name__)
#: Counters that belong to no experiment are kept under this name.
DEPLOYMENT = ""


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """What one round of ingest did."""

    records: int
    #: last lines that a power cut or a full disk cut off
    torn: int
    #: other lines that were no records; each is kept in a file of its own
    damaged: int
    #: whether everything written before the round began is now in the database
    drained: bool


class Ingest:
    """Moves one node's journal into the database."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        #: segments of which it was told that they cannot be removed
        self._told: set[str] = set()

    @property
    def folder(self) -> Path:
        """The journal's."""
        return self._folder

    def run_once(self) -> Ingested:
        """Take over what the segments hold, at most one chunk of each.

        Raises:
            OutdatedError: this version does not read a segment's format; nothing was taken.
            StorageError: the database did not answer; nothing was lost and nothing counted.
        """
        paths = {path.name: path for path in segments(self._folder)}
        if not paths:
            return Ingested(records=0, torn=0, damaged=0, drained=True)
        with self._database.read() as connection:
            positions = journal_positions(connection)
        sizes = {name: path.stat().st_size for name, path in paths.items()}
        chunks = [read_chunk(path, positions.get(name, 0)) for name, path in paths.items()]
        useful = [c for c in chunks if c.records or c.torn or c.damaged or c.exhausted]
        damaged = sum(_keep_damaged(paths[chunk.segment], chunk) for chunk in useful)
        if any(chunk.records or chunk.torn or chunk.damaged for chunk in useful):
            with self._database.write() as connection:
                _store(connection, useful, paths)
        self._clear([chunk for chunk in useful if chunk.exhausted], paths)
        torn = sum(chunk.torn for chunk in useful)
        if torn:
            _log.warning("journal lines cut off at their end were skipped", torn=torn)
        return Ingested(
            records=sum(len(chunk.records) for chunk in useful),
            torn=torn,
            damaged=damaged,
            drained=all(c.offset >= sizes[c.segment] for c in chunks),
        )

    def _clear(self, exhausted: Sequence[Chunk], paths: dict[str, Path]) -> None:
        removed = [chunk.segment for chunk in exhausted if self._remove(paths[chunk.segment])]
        if removed:
            with self._database.write() as connection:
                for segment in removed:
                    forget_journal_position(connection, segment)

    def _remove(self, path: Path) -> bool:
        """Delete a segment; one that stays is looked at again, and holds up nothing."""
        try:
            remove_segment(path)
        except OSError as error:
            if path.name not in self._told:
                self._told.add(path.name)
                _log.warning("journal segment not removed", segment=path.name, error=str(error))
            return False
        return True


def _keep_damaged(path: Path, chunk: Chunk) -> int:
    """Keep the damaged lines of a chunk beside the journal, and log each; returns how many."""
    for each in chunk.damaged:
        try:
            copy = keep_damaged(path, each)
        except OSError as error:
            raise JournalError(f"a damaged line of {path.name} cannot be kept: {error}") from error
        _log.error(
            "damaged journal line kept", segment=path.name, offset=each.offset, file=copy.name
        )
    return len(chunk.damaged)


def _store(connection: Connection, chunks: Sequence[Chunk], paths: Mapping[str, Path]) -> None:
    take_turns(connection)
    records = [record for chunk in chunks for record in chunk.records]
    counts: Counter[tuple[str, str]] = Counter()
    decisions = store_arms(connection, chunks, paths)
    new = insert_decisions(connection, decisions)
    made = Counter([(decision.experiment, decision.counted_as) for decision in new])
    counts.update({(key, f"decisions.{reason}"): number for (key, reason), number in made.items()})
    counts.update(_dropped_fields(new))
    mark_disputes(connection, decisions, new, counts)
    note_model_uses(
        connection, {(d.experiment, version) for d in new for version in d.model_versions}
    )
    insert_activations(
        connection,
        {r.decision_id: r.activated_at for r in reversed(records) if isinstance(r, Activation)},
    )
    adopted = _adopt(connection, new, counts)
    events = [r for r in records if isinstance(r, Event)]
    store_events(connection, events, counts)
    named = [r for r in records if isinstance(r, RequestEvent)]
    stored = insert_request_events(connection, named)
    counts.update(Counter((experiment, REQUEST_EVENTS) for experiment, *_ in stored))
    shown = {r.decision_id for r in records if isinstance(r, Activation)}
    look_again(connection, {decision.request_key for decision in new}, shown)
    conflicts = Counter(
        [(r.experiment, r.trusted) for r in records if isinstance(r, RequestConflict)]
    )
    for (key, trusted), number in conflicts.items():
        counts[key, SERVER_CONFLICTS if trusted else PAGE_CONFLICTS] += number
    cap_types(
        connection,
        counts,
        [Reported(each.decision_id, each.type, each.trusted) for each in (*adopted, *events)],
    )
    add_exclusions(connection, count_exclusions(new, names_of_exclusions(connection, new)))
    count_page_decisions(connection, new)
    counts[DEPLOYMENT, "journal.torn"] += sum(chunk.torn for chunk in chunks)
    counts[DEPLOYMENT, "journal.damaged"] += sum(len(chunk.damaged) for chunk in chunks)
    add(connection, counts)
    for chunk in chunks:
        put_journal_position(connection, chunk.segment, chunk.offset)


def _dropped_fields(new: Sequence[Decision]) -> Counter[tuple[str, str]]:
    """Decisions whose request had undeclared fields that were dropped, also by how many."""
    counts: Counter[tuple[str, str]] = Counter()
    for decision in new:
        if decision.dropped_fields:
            counts[decision.experiment, "dropped_fields"] += 1
            counts[decision.experiment, f"dropped_fields.{decision.dropped_fields}"] += 1
    return counts


def _adopt(
    connection: Connection, new: Sequence[Decision], counts: Counter[tuple[str, str]]
) -> Sequence[Any]:
    """Let events that were read before their decision belong to it now; returns their rows."""
    of_id = {d.decision_id: d for d in new}
    aside = {d.decision_id: aside for d in new if (aside := _set_aside(d)) is not None}
    late: dict[Lateness, list[tuple[str, str]]] = defaultdict(list)
    adopted = adopt_orphans(connection, of_id)
    for row in adopted:
        decision = of_id[row.decision_id]
        lateness = _outside(
            row.occurred_at, to_micros(decision.decided_at), to_micros(decision.expires_at)
        )
        _count_event(counts, decision.experiment, row, lateness, aside=aside.get(row.decision_id))
        if lateness is not None:
            late[lateness].append((row.decision_id, row.event_id))
    for lateness, keys in late.items():
        mark_late(connection, keys, lateness)
    return adopted


def store_events(
    connection: Connection, events: Sequence[Event], counts: Counter[tuple[str, str]]
) -> None:
    """Store events with their flags.

    Args:
        connection: a transaction that writes.
        events: may be stored already, and their decisions may not be.
        counts: takes how many were new, by experiment and type, and how many were late.
    """
    ids = {event.decision_id for event in events}
    known = find_decisions(connection, ids)
    immature = find_immature(connection, ids)
    flagged: dict[tuple[str, str], tuple[Event, Lateness | None, bool]] = {}
    chosen, conflicts = one_of_each(events)
    for key, event in chosen.items():
        found = known.get(event.decision_id)
        late = None
        if found is not None:
            final = found.measured and event.decision_id not in immature
            late = _lateness(event, found, final)
        flagged[key] = (event, late, found is None)
    new = insert_events(connection, flagged.values())
    for key in new:
        event, late, orphan = flagged[key]
        if not orphan:
            found = known[event.decision_id]
            _count_event(counts, found.experiment, event, late, aside=_set_aside(found))
    repeats = [(event, late) for key, (event, late, _) in flagged.items() if key not in new]
    if repeats:
        matured = {key for key, found in known.items() if found.measured} - immature
        settled = settle_repeats(connection, repeats, matured)
        conflicts += settled.conflicts
        _count_settled(counts, settled, flagged, known)
    for event in conflicts:
        if event.decision_id in known:
            counts[known[event.decision_id].experiment, "conflicting_events"] += 1


def _count_settled(
    counts: Counter[tuple[str, str]],
    settled: Settled,
    flagged: Mapping[tuple[str, str], tuple[Event, Lateness | None, bool]],
    known: Mapping[str, FoundDecision],
) -> None:
    """Count a server's reports instead of the page's whose place they took."""
    for each in settled.replaced:
        event, late, orphan = flagged[each.after.decision_id, each.after.event_id]
        found = known.get(event.decision_id)
        if orphan or found is None or _set_aside(found) is not None:
            continue
        counts[found.experiment, f"events.{each.before.type}"] -= 1
        counts[found.experiment, f"events.{event.type}"] += 1
        _count_late(counts, found.experiment, each.was_late, -1)
        _count_late(counts, found.experiment, late, 1)
    for event in settled.too_late:
        late = flagged[event.decision_id, event.event_id][1]
        found = known[event.decision_id]
        _count_event(counts, found.experiment, event, late, aside=_set_aside(found))


def _set_aside(decision: Decision | FoundDecision) -> str | None:
    """The counter of events that are not counted by their type, if a decision's are not."""
    if decision.reason is Reason.DRAFT:
        return "test_events"
    return "over_limit_events" if decision.over_limit else None


def _outside(occurred_at: int, decided_at: int, expires_at: int) -> Lateness | None:
    """Whether a moment lies outside a decision's window, and where; all in microseconds."""
    if occurred_at > expires_at:
        return Lateness.AFTER_WINDOW
    early = occurred_at < decided_at - CLOCK_TOLERANCE // timedelta(microseconds=1)
    return Lateness.BEFORE_DECISION if early else None


def _lateness(event: Event, decision: FoundDecision, final: bool) -> Lateness | None:
    """Why an event counts in no reward of its decision, if so."""
    occurred_at = to_micros(event.occurred_at)
    outside = _outside(occurred_at, decision.decided_at, decision.expires_at)
    if outside is not None or not final:
        return outside
    in_time = to_micros(event.received_at) <= decision.expires_at
    return Lateness.ARRIVED_LATE if in_time else Lateness.REPORTED_LATE


def _count_event(
    counts: Counter[tuple[str, str]],
    experiment: str,
    event: Any,
    lateness: Lateness | None,
    *,
    aside: str | None,
) -> None:
    if aside is not None:
        counts[experiment, aside] += 1
        return
    counts[experiment, f"events.{event.type}"] += 1
    _count_late(counts, experiment, lateness, 1)


def _count_late(
    counts: Counter[tuple[str, str]], experiment: str, lateness: Lateness | None, number: int
) -> None:
    if lateness is Lateness.BEFORE_DECISION:
        counts[experiment, "early_events"] += number
    elif lateness is not None:
        counts[experiment, "late"] += number
    if lateness in {Lateness.ARRIVED_LATE, Lateness.REPORTED_LATE}:
        counts[experiment, f"late.{lateness}"] += number

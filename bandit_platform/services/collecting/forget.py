"""Forgetting a unit: its rows, its records in this node's journal, and what was exported here.

Sums that estimates are made of stay. They hold no unit, only how much all together brought, and
taking one unit out of them would change results that were already reported.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from bandit_platform.domain.actor import PLATFORM, Actor
from bandit_platform.domain.audit_entry import subject_of
from bandit_platform.domain.decision import Decision
from bandit_platform.domain.event import Event
from bandit_platform.domain.identity import pseudonym
from bandit_platform.domain.request_event import RequestEvent
from bandit_platform.domain.revision import Change
from bandit_platform.journal.erase import erase, journal_records
from bandit_platform.journal.records import Activation, Record
from bandit_platform.services.evaluation.export_register import (
    nothing_exported,
    registered_exports,
)
from bandit_platform.services.evaluation.exported_files import SearchedFile, forget_in_exports
from bandit_platform.services.evaluation.log_writers import Kind
from bandit_platform.storage.audit_log import note
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.forget import UnitTraces, add_traces, forget_unit
from bandit_platform.storage.lease import take_turns

#: long enough for a round of ingest that had read the journal before it was cleared
_PAUSE_SECONDS = 1.0
_MOST_PASSES = 10
#: seconds that running exports may take before forgetting gives up
_PATIENCE = 60.0


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What was removed."""

    #: the name under which the unit was kept
    unit: str
    #: table → rows
    rows: dict[str, int]
    #: records of this node's journal
    journal: int
    #: the files that were exported on this machine, and what was found in them
    exports: tuple[SearchedFile, ...] = ()


def forget(
    database: Database,
    folder: Path,
    secret: bytes,
    unit_id: str,
    *,
    exports: Mapping[Path, Kind] = MappingProxyType({}),
    register: Path | None = None,
    by: Actor = PLATFORM,
    pause: float = _PAUSE_SECONDS,
    patience: float = _PATIENCE,
) -> Forgotten:
    """Remove everything kept about a unit, until nothing of it comes back.

    Args:
        database: of the deployment.
        folder: of this node's journal.
        secret: of the deployment.
        unit_id: as the shop calls the unit.
        exports: exported files to clear as well, with their kinds.
        register: of the files that were exported on this machine, which are cleared too.
        by: who asks for it; the audit log tells who and how much, but not of which unit.
        pause: seconds between passes.
        patience: seconds to wait for exports that run.

    Raises:
        UnavailableError: an export is running for longer; nothing was removed.
        StorageError: the database did not answer; call again.
    """
    unit = pseudonym(secret, unit_id)
    with nullcontext() if register is None else nothing_exported(register, patience):
        files = {**(registered_exports(register) if register else {}), **exports}
        traces = UnitTraces()
        with database.read() as connection:
            add_traces(connection, unit, traces)
        # while its decisions are known
        searched = forget_in_exports(files.items(), unit, traces.decisions)
        _note_exports(database, by, searched)
        rows, journal = _passes(database, folder, unit, traces, by=by, pause=pause)
    database.shrink()
    return Forgotten(unit=unit, rows=rows, journal=journal, exports=tuple(searched))


def _passes(
    database: Database, folder: Path, unit: str, traces: UnitTraces, *, by: Actor, pause: float
) -> tuple[dict[str, int], int]:
    """Clear journal and tables until nothing comes back."""
    rows: Counter[str] = Counter()
    journal = 0
    for _ in range(_MOST_PASSES):
        removed, erased = _pass(database, folder, unit, traces, by)
        rows.update(removed)
        journal += erased
        if not erased and not any(removed.values()):
            break
        time.sleep(pause)
    return dict(rows), journal


def _pass(
    database: Database, folder: Path, unit: str, traces: UnitTraces, by: Actor
) -> tuple[dict[str, int], int]:
    """Clear the journal, then the tables; ``traces`` grows."""
    with database.read() as connection:
        add_traces(connection, unit, traces)
    for record in journal_records(folder):
        if isinstance(record, Decision) and record.unit == unit:
            traces.decisions.add(record.decision_id)
            if record.request_key is not None:
                traces.requests.add(record.request_key)

    erased = _erased(folder, unit, traces)
    with database.write() as connection:
        take_turns(connection)
        add_traces(connection, unit, traces)
        removed = forget_unit(connection, unit, traces)
        _note(connection, by, {**removed, "journal records": erased})
    return removed, erased


def _erased(folder: Path, unit: str, traces: UnitTraces) -> int:
    """Clear the journal of a unit's records, its decisions last: they lead to the others.

    So when this is killed half way, forgetting again goes on.
    """

    def tells_of(record: Record) -> bool:
        if isinstance(record, RequestEvent):
            unnamed = record.unit is None and record.request in traces.requests
            return unnamed or record.unit == unit
        return isinstance(record, Event | Activation) and record.decision_id in traces.decisions

    def is_one(record: Record) -> bool:
        return isinstance(record, Decision) and record.decision_id in traces.decisions

    return erase(folder, tells_of) + erase(folder, is_one)


def _note_exports(database: Database, by: Actor, searched: Collection[SearchedFile]) -> None:
    rows = sum(each.rows for each in searched)
    if rows:
        with database.write() as connection:
            _note(connection, by, {"exported rows": rows})


def _note(connection: Connection, by: Actor, removed: Mapping[str, int]) -> None:
    told = [Change(path=name, before=count, after=0) for name, count in removed.items() if count]
    if told:
        now = datetime.now(UTC)
        note(connection, now, by, "unit.forgotten", subject_of("unit", "?"), difference=told)

"""How much of the journal the database does not have yet, without reading more than a line."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from bandit_platform.domain.decision import Decision
from bandit_platform.domain.event import Event
from bandit_platform.domain.request_event import RequestEvent
from bandit_platform.errors import OutdatedError
from bandit_platform.journal.header import first_record
from bandit_platform.journal.reader import segments
from bandit_platform.journal.records import (
    Activation,
    Dated,
    RequestArms,
    RequestConflict,
    parse_line,
)

_LONGEST_LINE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Pending:
    """What ingest has not taken over."""

    size: int
    #: when the oldest record of it was made; None where nothing is pending
    oldest: datetime | None


def pending(folder: Path, positions: Mapping[str, int]) -> Pending:
    """What a node's journal holds beyond the stored positions."""
    size = 0
    moments: list[datetime] = []
    for path in segments(folder):
        position = positions.get(path.name, 0)
        with suppress(OSError, ValueError), path.open("rb") as file:
            position = max(position, _first_record(file, path.name))
            left = path.stat().st_size - position
            if left > 0:
                size += left
                file.seek(position)
                moments.append(_first_moment(file))
    return Pending(size=size, oldest=min(moments, default=None))


def _first_record(file: BinaryIO, segment: str) -> int:
    """As :func:`first_record`; 0 where this version does not read the segment."""
    try:
        return first_record(file, segment)
    except OutdatedError:  # the worker reports it; all of the segment is pending
        return 0


def _first_moment(file: BinaryIO) -> datetime:
    """When the next record was made; lists of arms, which have no moment, come before others."""
    while True:
        found = parse_line(file.readline(_LONGEST_LINE))
        if not isinstance(found, RequestArms):
            return _moment(found)


def _moment(record: Dated) -> datetime:
    match record:
        case Decision():
            return record.decided_at
        case Event() | RequestEvent():
            return record.received_at
        case Activation():
            return record.activated_at
        case RequestConflict():
            return record.refused_at

"""Reading the journal from a stored position, and clearing what has been taken over."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from bandit_platform.journal.header import first_record
from bandit_platform.journal.records import Record, parse_line
from bandit_platform.journal.writer import SUFFIX

DAMAGED_SUFFIX = ".damaged"


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """A line inside a segment that is no record: not torn at the end, so something changed it."""

    #: where it begins
    offset: int
    line: bytes


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Records read from one segment."""

    segment: str
    #: position after the last record read
    offset: int
    records: tuple[Record, ...]
    #: 1 where the last line of a finished segment was cut by a power cut or a full disk
    torn: int
    #: lines before it that are no records
    damaged: tuple[Damaged, ...]
    #: whether the segment was read to its end and will grow no more
    exhausted: bool


def segments(folder: Path) -> list[Path]:
    """The segments in a folder, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []


def read_chunk(path: Path, offset: int, limit: int = 4_000_000) -> Chunk:
    """At most ``limit`` bytes of whole lines from ``offset`` on, without the segment's header.

    A line without its newline is left for later while the writer lives, and counted as torn once
    the segment can grow no more.

    Raises:
        OutdatedError: the segment has a format that this version does not read.
    """
    with path.open("rb") as file:
        finished = _is_released(file.fileno())  # before reading: what follows is then complete
        start = first_record(file, path.name)
        offset = max(offset, start)
        file.seek(offset)
        data = file.read(limit)
        at_end = offset + len(data) >= os.fstat(file.fileno()).st_size
    end = data.rfind(b"\n") + 1
    records: list[Record] = []
    damaged: list[Damaged] = []
    position = offset
    for line in data[:end].splitlines(keepends=True):
        if not line.isspace():  # else erased, to forget somebody
            try:
                records.append(parse_line(line))
            except ValueError:
                damaged.append(Damaged(offset=position, line=line))
        position += len(line)
    exhausted = finished and at_end
    torn = int(exhausted and end < len(data))
    if end == 0 and not at_end and len(data) == limit:  # no record is as long as the limit
        damaged.append(Damaged(offset=offset, line=data))
        end = len(data)
    return Chunk(
        segment=path.name,
        offset=offset + (len(data) if torn else end),
        records=tuple(records),
        torn=torn,
        damaged=tuple(damaged),
        exhausted=exhausted,
    )


def keep_damaged(path: Path, damaged: Damaged) -> Path:
    """Copy a damaged line into a file of its own beside the segment, which is deleted once read.

    Raises:
        OSError: it cannot be written.
    """
    copy = path.with_name(f"{path.stem}-{damaged.offset}{DAMAGED_SUFFIX}")
    descriptor = os.open(copy, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(damaged.line)
        file.flush()
        os.fdatasync(file.fileno())
    return copy


def remove_segment(path: Path) -> None:
    """Delete a segment whose records are all committed to the database."""
    path.unlink(missing_ok=True)


def _is_released(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""Reading the journal from a stored position, and clearing what has been taken over."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from bandit_platform.journal.records import Record, parse_line
from bandit_platform.journal.writer import SUFFIX


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Records read from one segment."""

    segment: str
    #: position after the last record read
    offset: int
    records: tuple[Record, ...]
    #: lines that are no records: torn by a power cut or a full disk
    torn: int
    #: whether the segment was read to its end and will grow no more
    exhausted: bool


def segments(folder: Path) -> list[Path]:
    """The segments in a folder, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []


def read_chunk(path: Path, offset: int, limit: int = 4_000_000) -> Chunk:
    """At most ``limit`` bytes of whole lines from ``offset`` on.

    A line without its newline is left for later while the writer lives, and counted as torn once
    the segment can grow no more.
    """
    with path.open("rb") as file:
        finished = _is_released(file.fileno())  # before reading: what follows is then complete
        file.seek(offset)
        data = file.read(limit)
        at_end = offset + len(data) >= os.fstat(file.fileno()).st_size
    end = data.rfind(b"\n") + 1
    whole, rest = data[:end], data[end:]
    records: list[Record] = []
    torn = 0
    for line in whole.splitlines():
        if line.isspace():  # erased, to forget somebody
            continue
        try:
            records.append(parse_line(line))
        except ValueError:
            torn += 1
    exhausted = finished and at_end
    if rest and (exhausted or len(rest) == limit):  # no record is as long as the limit
        torn += 1
        end = len(data)
    return Chunk(
        segment=path.name,
        offset=offset + end,
        records=tuple(records),
        torn=torn,
        exhausted=exhausted,
    )


def remove_segment(path: Path) -> None:
    """Delete a segment whose records are all committed to the database."""
    path.unlink(missing_ok=True)


def _is_released(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""Taking single records out of the journal while processes go on writing and reading it.

A record is overwritten by spaces, so that every other one stays where it is; readers pass over
lines that hold nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path

from bandit_platform.domain.request_arms import ArmList
from bandit_platform.journal.header import first_record
from bandit_platform.journal.reader import segments
from bandit_platform.journal.records import Record, RequestArms, parse_line


def journal_records(folder: Path) -> Iterator[Record]:
    """Every whole record of a node's journal, whether it was taken over or not."""
    for path in segments(folder):
        for _, record in _lines(path):
            yield record


def erase(folder: Path, chosen: Callable[[Record], bool]) -> int:
    """Overwrite the chosen records; when this returns, the disk no longer has them.

    Returns:
        How many there were.

    Raises:
        OutdatedError: a segment has a format that this version does not read.
    """
    erased = 0
    for path in segments(folder):
        found = [(offset, record) for offset, record in _lines(path) if chosen(record)]
        if found:
            with suppress(FileNotFoundError):  # taken over and deleted meanwhile
                erased += _blank(path, [offset for offset, _ in found])
    return erased


def arms_of_segment(path: Path, hashes: Collection[str]) -> dict[str, ArmList]:
    """The lists of arms that a segment has among some hashes, wherever it was read to."""
    return {
        record.arms.hash: record.arms
        for _, record in _lines(path)
        if isinstance(record, RequestArms) and record.arms.hash in hashes
    }


def _blank(path: Path, offsets: list[int]) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "rb") as file:
            for offset in offsets:
                file.seek(offset)
                length = len(file.readline().rstrip(b"\n"))
                os.pwrite(descriptor, b" " * length, offset)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
    return len(offsets)


def _lines(path: Path) -> Iterator[tuple[int, Record]]:
    """Where each whole record begins, and the record."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        offset = first_record(file, path.name)
        file.seek(offset)
        for line in file:
            if line.endswith(b"\n"):
                with suppress(ValueError):  # torn, or erased before
                    yield offset, parse_line(line)
            offset += len(line)

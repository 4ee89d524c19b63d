"""Room on the disk for the files into which the serving processes count.

The library writes into its files through memory, and a page that the disk has no room for kills the
process that touches it. So the room is taken before the first count; where there is none, a process
counts for itself alone, because a shop's answers matter more.
"""

from __future__ import annotations

import os
from pathlib import Path

import structlog
from prometheus_client import values

#: more than the counters of as many series as there can be, and the histogram, ever take up
_COUNTER_BYTES, _HISTOGRAM_BYTES = 1 << 20, 1 << 16
_log = structlog.get_logger(__name__)


def has_room(folder: Path) -> bool:
    """Take the room that this process will need; False where it has to count in its memory."""
    counters = folder / f"counter_{os.getpid()}.db"
    try:
        _reserve(counters, _COUNTER_BYTES)
        _reserve(folder / f"histogram_{os.getpid()}.db", _HISTOGRAM_BYTES)
    except OSError as error:
        counters.unlink(missing_ok=True)
        _log.warning("this process counts for itself alone", error=str(error))
        values.ValueClass = values.MutexValue
        return False
    return True


def _reserve(path: Path, size: int) -> None:
    """Make a file of zeros, which the library takes for nothing counted."""
    if path.exists():
        return  # a process of the same number made it and has ended; its counts go on
    draft = path.with_suffix(".new")
    try:
        with draft.open("wb", buffering=0) as file:
            while (left := size - file.tell()) > 0:
                file.write(bytes(left))
        draft.rename(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise

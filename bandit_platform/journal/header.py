"""The first line of a journal segment: which format its lines have, and which version wrote it."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from bandit_platform import __version__
from bandit_platform.errors import OutdatedError

#: Grows with every change that an earlier reader would misread: a new field, a new kind of record.
FORMAT = 1
_LONGEST_LINE = 1 << 20


def header_line() -> bytes:
    """The header that this version writes, newline included."""
    data = {"k": "journal", "format": FORMAT, "version": __version__}
    return json.dumps(data, separators=(",", ":")).encode() + b"\n"


def first_record(file: BinaryIO, segment: str) -> int:
    """Where the records of a segment begin, after its header.

    Args:
        file: the segment, at its beginning.
        segment: its name, for the error.

    Returns:
        The position; 0 where the header is damaged or not whole.

    Raises:
        OutdatedError: a later version wrote the segment, or a development version.
    """
    header = file.readline(_LONGEST_LINE)
    if not header.endswith(b"\n"):
        return 0
    try:
        data = json.loads(header)
    except ValueError:
        return 0
    _demand_readable(data, segment)
    return len(header)


def _demand_readable(data: Any, segment: str) -> None:
    written = data.get("format") if isinstance(data, dict) and data.get("k") == "journal" else None
    if written == FORMAT:
        return
    if isinstance(written, int) and written > FORMAT:
        raise OutdatedError(
            f"journal segment {segment} has format {written}, written by version "
            f"{data.get('version')}; this version reads format {FORMAT}. Nothing was taken from "
            "it. Install that version or a later one"
        )
    raise OutdatedError(
        f"journal segment {segment} was written by a development version that this one does not "
        "read. Nothing was taken from it. Move it out of the journal's folder to go on"
    )

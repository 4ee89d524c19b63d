"""A power cut takes the end of the journal: nothing before it is lost, and it is reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bandit_platform.journal.reader import read_chunk
from bandit_platform.journal.records import Record, parse_line

LAST = 3


@pytest.fixture
def written(lite: Any, spec: Any) -> bytes:
    """A journal as it stands after some decisions and events."""
    lite.launch(spec)
    for _ in range(4):
        lite.report(lite.measured(), "accept")
    lite.server.journal.close()
    (segment,) = lite.folder.glob("*.jsonl")
    return bytes(segment.read_bytes())


def records(data: bytes) -> tuple[Record, ...]:
    _header, *lines = data.splitlines()
    return tuple(parse_line(line) for line in lines)


def test_cut_at_every_byte_of_the_last_records(written: bytes, tmp_path: Path) -> None:
    lines = written.splitlines(keepends=True)
    first = len(written) - sum(map(len, lines[-LAST:]))
    path = tmp_path / "cut.jsonl"
    for size in range(first, len(written) + 1):
        path.write_bytes(written[:size])
        chunk = read_chunk(path, 0)
        whole, _, torn = written[:size].rpartition(b"\n")
        assert chunk.records == records(whole)
        assert chunk.torn == bool(torn)
        assert chunk.exhausted
        assert chunk.offset == size


def test_zeros_where_the_file_grew_but_its_bytes_never_came(written: bytes, tmp_path: Path) -> None:
    """What a file system may leave: the new length, and nothing in it."""
    lines = written.splitlines(keepends=True)
    path = tmp_path / "zeros.jsonl"
    kept = b"".join(lines[:-1])
    path.write_bytes(kept + bytes(len(lines[-1])))
    chunk = read_chunk(path, 0)
    assert (chunk.records, chunk.torn, chunk.exhausted) == (records(kept), 1, True)
    path.write_bytes(kept + bytes(100) + lines[-1])  # and a later line survived
    chunk = read_chunk(path, 0)
    assert (chunk.records, chunk.torn, len(chunk.damaged)) == (records(kept), 0, 1)


def test_what_was_torn_is_counted_and_the_rest_goes_on(lite: Any, written: bytes) -> None:
    (segment,) = lite.folder.glob("*.jsonl")
    segment.write_bytes(written[:-30])
    lite._first = None  # the machine came up again
    lite.measured()
    result = lite.ingest()
    assert result.torn == 1
    assert lite.counter("journal.torn", key="") == 1
    stored = lite.one("SELECT count(*) FROM decision") + lite.one("SELECT count(*) FROM event")
    assert stored == result.records >= len(written.splitlines()) - 1
    assert segment not in set(lite.folder.glob("*.jsonl"))
    assert lite.ingest().torn == 0
    assert lite.counter("journal.torn", key="") == 1

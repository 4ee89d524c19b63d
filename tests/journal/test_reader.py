from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bandit_platform.domain.decision import Decision
from bandit_platform.errors import OutdatedError
from bandit_platform.journal.erase import erase
from bandit_platform.journal.header import header_line
from bandit_platform.journal.pending import pending
from bandit_platform.journal.reader import keep_damaged, read_chunk, remove_segment, segments
from bandit_platform.journal.records import (
    Activation,
    Record,
    activation_line,
    decision_line,
    event_line,
)

HEADER = header_line()
START = len(HEADER)


def put(segment: Path, records: bytes) -> None:
    segment.write_bytes(HEADER + records)


def line_of(record: Record) -> bytes:
    if isinstance(record, Decision):
        return decision_line(record)
    return activation_line(record) if isinstance(record, Activation) else event_line(record)


@contextmanager
def living_writer(path: Path) -> Iterator[None]:
    """Holds a segment as its writer does."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture
def segment(folder: Path) -> Path:
    folder.mkdir()
    path = folder / "20261122T100000000000-1-00000000.jsonl"
    path.write_bytes(HEADER)
    return path


def test_the_last_records_cut_at_every_byte(segment: Path, three_kinds: list[Record]) -> None:
    lines = [line_of(record) for record in three_kinds]
    whole = b"".join(lines)
    for length in range(len(lines[0]) - 2, len(whole) + 1):
        put(segment, whole[:length])
        complete = whole[:length].count(b"\n")
        end = len(b"".join(lines[:complete]))
        cut = int(end < length)

        with living_writer(segment):
            living = read_chunk(segment, 0)
        assert living.records == tuple(three_kinds[:complete]), length
        assert (living.offset, living.torn, living.exhausted) == (START + end, 0, False), length

        dead = read_chunk(segment, 0)
        assert dead.records == living.records, length
        assert (dead.offset, dead.torn, dead.exhausted) == (START + length, cut, True), length


def test_a_line_that_was_half_there_is_read_once_it_is_whole(
    segment: Path, three_kinds: list[Record]
) -> None:
    whole = b"".join(line_of(record) for record in three_kinds)
    for cut in range(0, len(whole), 17):
        put(segment, whole[:cut])
        with living_writer(segment):
            first = read_chunk(segment, 0)
            put(segment, whole)
            second = read_chunk(segment, first.offset)
        assert first.records + second.records == tuple(three_kinds)
        assert first.torn == second.torn == 0
        assert second.offset == START + len(whole)


def test_a_damaged_line_in_the_middle_costs_only_itself(
    segment: Path, three_kinds: list[Record]
) -> None:
    first, second, third = (line_of(record) for record in three_kinds)
    put(segment, first + second[:-10] + b"\n" + third)
    chunk = read_chunk(segment, 0)
    assert chunk.records == (three_kinds[0], three_kinds[2])
    assert (chunk.torn, chunk.exhausted) == (0, True)
    (damaged,) = chunk.damaged
    assert damaged.line == second[:-10] + b"\n"
    copy = keep_damaged(segment, damaged)
    assert copy.read_bytes() == damaged.line
    assert keep_damaged(segment, damaged) == copy
    assert segments(segment.parent) == [segment]


def test_reading_goes_on_where_it_stopped(segment: Path, decisions: list[Decision]) -> None:
    lines = [decision_line(decision) for decision in decisions]
    put(segment, b"".join(lines))
    one_line = max(map(len, lines))
    for limit, rounds in ((one_line, 4), (2 * one_line + 3, 2), (10**6, 1)):
        offset, found = 0, []
        for _ in range(rounds):
            chunk = read_chunk(segment, offset, limit)
            found += chunk.records
            offset = chunk.offset
        assert found == decisions
        assert chunk.exhausted
        again = read_chunk(segment, offset, limit)
        assert (again.records, again.torn, again.exhausted) == ((), 0, True)


def test_a_segment_is_not_exhausted_before_its_end_was_read(
    segment: Path, decisions: list[Decision]
) -> None:
    lines = [decision_line(decision) for decision in decisions]
    put(segment, b"".join(lines))
    assert not read_chunk(segment, 0, limit=len(lines[0]) + 5).exhausted


def test_rubbish_longer_than_a_read_is_passed_over(
    segment: Path, decisions: list[Decision]
) -> None:
    line = decision_line(decisions[0])
    put(segment, line + bytes(5000) + b"\n" + line)
    offset, found, damaged = 0, [], b""
    for _ in range(20):
        chunk = read_chunk(segment, offset, limit=1000)
        found += chunk.records
        damaged += b"".join(each.line for each in chunk.damaged)
        offset = chunk.offset
    assert found == [decisions[0], decisions[0]]
    assert damaged == bytes(5000)
    assert chunk.exhausted


def test_an_empty_segment_of_a_dead_writer_is_exhausted(segment: Path) -> None:
    segment.touch()
    with living_writer(segment):
        assert not read_chunk(segment, 0).exhausted
    assert read_chunk(segment, 0).exhausted


def test_segments_are_listed_oldest_first_and_nothing_else(folder: Path) -> None:
    assert segments(folder) == []
    folder.mkdir()
    names = ["20261122T100000000001-9-a.jsonl", "20261122T100000000000-10-b.jsonl"]
    for name in (*names, "20261122T100000000000-10-c.new", "notes.txt"):
        (folder / name).touch()
    assert [path.name for path in segments(folder)] == sorted(names)


def test_a_segment_can_be_removed_twice(segment: Path) -> None:
    segment.touch()
    remove_segment(segment)
    remove_segment(segment)
    assert not segment.exists()


@pytest.mark.parametrize("offset", [0, START, START + 5])
@pytest.mark.parametrize(
    ("header", "what"),
    [
        (b'{"k":"journal","format":2,"version":"9.9"}', "version 9.9; this version reads format 1"),
        (b'{"k":"journal"}', "a development version"),
        (b'{"k":"decision","id":"' + b"0" * 5000 + b'"}', "a development version"),
        (b"[]", "a development version"),
    ],
)
def test_a_segment_of_another_format_is_refused_from_any_position(
    segment: Path, decisions: list[Decision], header: bytes, what: str, offset: int
) -> None:
    segment.write_bytes(header + b"\n" + decision_line(decisions[0]))
    with pytest.raises(OutdatedError, match=what):
        read_chunk(segment, offset)
    with pytest.raises(OutdatedError, match=what):
        erase(segment.parent, lambda _record: True)
    assert pending(segment.parent, {}).size == segment.stat().st_size


def test_a_damaged_header_costs_only_itself(segment: Path, decisions: list[Decision]) -> None:
    segment.write_bytes(b"\0" * 40 + b"\n" + decision_line(decisions[0]))
    chunk = read_chunk(segment, 0)
    assert chunk.records == (decisions[0],)
    assert [each.offset for each in chunk.damaged] == [0]

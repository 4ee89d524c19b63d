"""Serving processes of one node share which request keys they answered."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bandit_platform.domain.decision import Decision
from bandit_platform.journal.header import header_line
from bandit_platform.journal.records import decision_line
from bandit_platform.journal.requests import FILE, SharedRequests
from bandit_platform.journal.writer import JournalWriter


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[JournalWriter]:
    writer = JournalWriter(tmp_path, segment_bytes=10_000_000)
    yield writer
    writer.close()


def record(requests: SharedRequests, writer: JournalWriter, decision: Decision) -> None:
    with requests.claim(decision.decision_id) as claim:
        assert claim.find() is None
        writer.append(decision_line(decision), claim.note)


def found(requests: SharedRequests, decision_id: str) -> Decision | None:
    with requests.claim(decision_id) as claim:
        return claim.find()


def test_what_one_recorded_another_finds(
    tmp_path: Path, writer: JournalWriter, make_decision: Callable[..., Decision]
) -> None:
    decisions = [make_decision() for _ in range(20)]
    first = SharedRequests(tmp_path)
    for decision in decisions:
        record(first, writer, decision)
    second = SharedRequests(tmp_path)
    assert [found(second, d.decision_id) for d in decisions] == decisions


def test_a_note_that_leads_to_nothing_is_no_decision(
    tmp_path: Path, writer: JournalWriter, make_decision: Callable[..., Decision]
) -> None:
    requests = SharedRequests(tmp_path)
    crashed, other = make_decision(), make_decision()
    with requests.claim(crashed.decision_id) as claim:
        claim.note("no-such-segment.jsonl", 0)
    assert found(requests, crashed.decision_id) is None
    record(requests, writer, other)
    (segment,) = tmp_path.glob("*.jsonl")
    with requests.claim(crashed.decision_id) as claim:
        claim.note(segment.name, len(header_line()))  # where another decision stands
    assert found(requests, crashed.decision_id) is None
    with requests.claim(crashed.decision_id) as claim:
        claim.note(segment.name, 7)  # in the middle of a line
    assert found(requests, crashed.decision_id) is None
    segment.unlink()
    assert found(requests, other.decision_id) is None


def test_a_damaged_file_is_no_obstacle(
    tmp_path: Path, writer: JournalWriter, make_decision: Callable[..., Decision]
) -> None:
    (tmp_path / FILE).write_bytes(os.urandom(100_000))
    requests, decision = SharedRequests(tmp_path), make_decision()
    record(requests, writer, decision)
    assert found(requests, decision.decision_id) == decision


def test_without_a_folder_each_process_is_on_its_own(
    tmp_path: Path, make_decision: Callable[..., Decision]
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("where the folder should be")
    with SharedRequests(blocked).claim(make_decision().decision_id) as claim:
        assert claim.find() is None
        claim.note("segment", 0)


def test_a_stopped_process_holds_others_up_for_a_moment_only(
    tmp_path: Path, make_decision: Callable[..., Decision]
) -> None:
    decision_id = make_decision().decision_id
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with SharedRequests(tmp_path).claim(decision_id):
            os.write(writing, b"x")
            time.sleep(5)
        os._exit(0)
    try:
        assert os.read(reading, 1) == b"x"
        began = time.monotonic()
        with SharedRequests(tmp_path).claim(decision_id) as claim:
            assert claim.find() is None
        assert 0.04 < time.monotonic() - began < 1.0
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)

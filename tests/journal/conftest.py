from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bandit_platform.domain.decision import Decision
from bandit_platform.domain.event import Event
from bandit_platform.journal.reader import read_chunk, segments
from bandit_platform.journal.records import Activation, Record
from bandit_platform.journal.writer import JournalWriter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def open_writer(folder: Path) -> Iterator[Callable[..., JournalWriter]]:
    """Opens writers on ``folder`` and closes them at the end."""
    opened: list[JournalWriter] = []

    def make(segment_bytes: int = 1_000_000, fsync: str = "background") -> JournalWriter:
        opened.append(JournalWriter(folder, segment_bytes=segment_bytes, fsync=fsync))
        return opened[-1]

    yield make
    for writer in opened:
        writer.close()


@pytest.fixture
def decisions(make_decision: Callable[..., Decision]) -> list[Decision]:
    return [make_decision() for _ in range(4)]


@pytest.fixture
def three_kinds(
    make_decision: Callable[..., Decision], make_event: Callable[..., Event]
) -> list[Record]:
    """A decision, its activation and an event of it."""
    decision = make_decision(context={"country": "Å|\n"})
    event = make_event(decision, amount=59.9, currency="GBP")
    activation = Activation(decision_id=decision.decision_id, activated_at=decision.decided_at)
    return [decision, activation, event]


@pytest.fixture
def read_all(folder: Path) -> Callable[[], tuple[list[Record], int]]:
    """Reads every segment from its beginning: the records and how many lines were torn."""

    def read() -> tuple[list[Record], int]:
        records: list[Record] = []
        torn = 0
        for path in segments(folder):
            chunk = read_chunk(path, 0)
            records += chunk.records
            torn += chunk.torn
        return records, torn

    return read

"""Writers in processes of their own: appending at once, and killed without warning."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from bandit_platform.journal.reader import Chunk, read_chunk, segments
from bandit_platform.journal.records import Activation

#: appends numbered activations of its own name, tells when done, and waits
WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from bandit_platform.journal.records import Activation, activation_line
from bandit_platform.journal.writer import JournalWriter

folder, name, count, segment_bytes = sys.argv[1:]
writer = JournalWriter(Path(folder), segment_bytes=int(segment_bytes))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(count)):
    activation = Activation(decision_id=f"{name}-{number}", activated_at=datetime.now(UTC))
    writer.append(activation_line(activation))
print("done", flush=True)
sys.stdin.readline()
"""


@contextmanager
def writer_process(
    folder: Path, name: str, count: int, segment_bytes: int = 10**6
) -> Iterator[subprocess.Popen[str]]:
    arguments = [sys.executable, "-c", WRITER, str(folder), name, str(count), str(segment_bytes)]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == f"{word}\n"


def names(chunks: list[Chunk]) -> list[str]:
    records = [record for chunk in chunks for record in chunk.records]
    assert all(isinstance(record, Activation) for record in records)
    return [record.decision_id for record in records]


def drain(folder: Path, limit: int, writers: Sequence[subprocess.Popen[str]] = ()) -> list[Chunk]:
    """Follows the segments as ingest does until the writers ended and all was read."""
    offsets: dict[str, int] = {}
    exhausted: set[str] = set()
    chunks = []
    end = time.monotonic() + 30
    while True:
        assert time.monotonic() < end, "the segments never ended"
        ended = all(writer.poll() is not None for writer in writers)
        for path in segments(folder):
            chunk = read_chunk(path, offsets.get(path.name, 0), limit)
            offsets[path.name] = chunk.offset
            chunks.append(chunk)
            if chunk.exhausted:
                exhausted.add(path.name)
        if ended and exhausted == {path.name for path in segments(folder)}:
            return chunks


def test_processes_that_append_at_once_lose_double_and_mix_nothing(folder: Path) -> None:
    count = 400
    with (
        writer_process(folder, "a", count, segment_bytes=9000) as one,
        writer_process(folder, "b", count, segment_bytes=9000) as two,
        writer_process(folder, "c", count, segment_bytes=9000) as three,
    ):
        for process in (one, two, three):
            go(process)
            go(process)  # and end when done
        chunks = drain(folder, limit=1000, writers=(one, two, three))
    found = names(chunks)
    wanted = [f"{name}-{number}" for name in "abc" for number in range(count)]
    assert sorted(found) == sorted(wanted)
    assert sum(chunk.torn for chunk in chunks) == 0
    for path in segments(folder):
        assert len({name[0] for name in names([read_chunk(path, 0)])}) == 1
        order = [int(n[2:]) for n in names([c for c in chunks if c.segment == path.name])]
        assert order == list(range(order[0], order[0] + len(order)))


def test_a_killed_writer_loses_nothing_it_acknowledged(folder: Path) -> None:
    with writer_process(folder, "a", 100) as process:
        go(process)
        wait_for(process, "done")
        (path,) = segments(folder)
        assert not read_chunk(path, 0).exhausted
        process.send_signal(signal.SIGKILL)
        process.wait()
    chunk = read_chunk(path, 0)
    assert names([chunk]) == [f"a-{number}" for number in range(100)]
    assert (chunk.torn, chunk.exhausted) == (0, True)


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.05])
def test_a_writer_killed_while_it_writes_leaves_whole_records(folder: Path, delay: float) -> None:
    with writer_process(folder, "a", 10**6, segment_bytes=50_000) as process:
        go(process)
        while not segments(folder):
            time.sleep(0.001)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    chunks = drain(folder, limit=4_000_000)
    found = names(chunks)
    assert found == [f"a-{number}" for number in range(len(found))]
    assert sum(chunk.torn for chunk in chunks) == 0

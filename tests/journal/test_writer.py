from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path

import pytest

from bandit_platform.domain.decision import Decision
from bandit_platform.errors import JournalError
from bandit_platform.journal.header import header_line
from bandit_platform.journal.reader import read_chunk, segments
from bandit_platform.journal.records import Record, activation_line, decision_line, event_line
from bandit_platform.journal.writer import JournalWriter

OpenWriter = Callable[..., JournalWriter]
ReadAll = Callable[[], tuple[list[Record], int]]


class Trouble:
    """Lets calls of the operating system fail for as long as a test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.written_of_next: int | None = None
        #: whether that concerns the next header, instead of the next records
        self.of_header = False
        self.calls: list[str] = []
        self._real_write = os.write
        monkeypatch.setattr(os, "write", self._write)

    def _write(self, descriptor: int, data: bytes) -> int:
        is_header = data == header_line()
        if self.written_of_next is None or is_header != self.of_header or data[:4] != b'{"k"':
            return self._real_write(descriptor, data)
        written, self.written_of_next = self.written_of_next, None
        if written < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._real_write(descriptor, data[:written])

    def fail(self, name: str, times: int = 1000) -> None:
        real = getattr(os, name)
        left = [times]

        def failing(*arguments: object) -> object:
            if left[0] > 0:
                left[0] -= 1
                self.calls.append(name)
                raise OSError(errno.EIO, "Input/output error")
            return real(*arguments)

        self._patch.setattr(os, name, failing)


@pytest.fixture
def trouble(monkeypatch: pytest.MonkeyPatch) -> Trouble:
    return Trouble(monkeypatch)


def wait_until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


def wait_until_exhausted(path: Path) -> None:
    """The background flush may hold a segment for the blink of an eye after its writer."""
    wait_until(lambda: read_chunk(path, 0).exhausted)


def append(writer: JournalWriter, *decisions: Decision) -> None:
    for decision in decisions:
        writer.append(decision_line(decision))


def test_every_kind_of_record_is_read_as_it_was_appended(
    open_writer: OpenWriter, three_kinds: list[Record], read_all: ReadAll
) -> None:
    writer = open_writer()
    decision, activation, event = three_kinds
    writer.append(decision_line(decision))
    writer.append(activation_line(activation) + event_line(event))
    assert read_all() == (three_kinds, 0)


def test_a_record_can_be_read_as_soon_as_append_returned(
    open_writer: OpenWriter, decisions: list[Decision], read_all: ReadAll
) -> None:
    writer = open_writer()
    for count, decision in enumerate(decisions, 1):
        append(writer, decision)
        assert read_all() == (decisions[:count], 0)


def test_a_writer_that_never_wrote_leaves_no_file(open_writer: OpenWriter, folder: Path) -> None:
    open_writer().close()
    assert segments(folder) == []


def test_segments_are_closed_at_their_size(
    open_writer: OpenWriter, decisions: list[Decision], folder: Path, read_all: ReadAll
) -> None:
    length = len(decision_line(decisions[0]))
    writer = open_writer(segment_bytes=2 * length - 5)
    append(writer, *decisions[:3])
    first, second = segments(folder)
    wait_until_exhausted(first)
    closed, growing = read_chunk(first, 0), read_chunk(second, 0)
    assert list(closed.records) == decisions[:2]
    assert (list(growing.records), growing.exhausted) == (decisions[2:3], False)
    append(writer, decisions[3])
    assert read_all() == (decisions, 0)


def test_a_segment_is_exhausted_only_after_its_writer_let_go(
    open_writer: OpenWriter, decisions: list[Decision], folder: Path
) -> None:
    writer = open_writer()
    append(writer, decisions[0])
    (path,) = segments(folder)
    assert not read_chunk(path, 0).exhausted
    writer.close()
    wait_until_exhausted(path)
    append(writer, decisions[1])
    assert len(segments(folder)) == 2
    assert read_chunk(path, 0).records == (decisions[0],)


def test_a_segment_has_its_lock_before_it_has_its_name(
    open_writer: OpenWriter,
    decisions: list[Decision],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named: list[bool] = []
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        result = real(self, target)
        named.append(read_chunk(segments(folder)[0], 0).exhausted)
        return result

    monkeypatch.setattr(Path, "rename", rename)
    append(open_writer(), decisions[0])
    assert named == [False]


def test_several_writers_use_segments_of_their_own(
    open_writer: OpenWriter, decisions: list[Decision], folder: Path, read_all: ReadAll
) -> None:
    one, other = open_writer(), open_writer()
    append(one, decisions[0])
    append(other, decisions[1])
    append(one, decisions[2])
    assert len(segments(folder)) == 2
    records, torn = read_all()
    identity = attrgetter("decision_id")
    assert sorted(records, key=identity) == sorted(decisions[:3], key=identity)
    assert torn == 0


def test_threads_of_one_process_share_a_writer(
    open_writer: OpenWriter, make_decision: Callable[..., Decision], read_all: ReadAll
) -> None:
    writer = open_writer(segment_bytes=20_000)
    batches = [[make_decision() for _ in range(50)] for _ in range(8)]
    threads = [threading.Thread(target=append, args=(writer, *batch)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records, torn = read_all()
    assert torn == 0
    assert len(records) == 400
    order = {record.decision_id: place for place, record in enumerate(records)}  # type: ignore[union-attr]
    for batch in batches:
        places = [order[decision.decision_id] for decision in batch]
        assert places == sorted(places)


@pytest.mark.parametrize(
    "mode", [(fsync, written) for fsync in ("background", "always") for written in (-1, 0, 1, 100)]
)
def test_a_write_that_fails_leaves_nothing_and_later_ones_work(
    open_writer: OpenWriter,
    decisions: list[Decision],
    trouble: Trouble,
    mode: tuple[str, int],
    request: pytest.FixtureRequest,
) -> None:
    read_all: ReadAll = request.getfixturevalue("read_all")
    fsync, written = mode
    writer = open_writer(fsync=fsync)
    append(writer, decisions[0])
    trouble.written_of_next = written
    with pytest.raises(JournalError, match="cannot write the journal"):
        append(writer, decisions[1])
    append(writer, *decisions[2:])
    assert read_all() == ([decisions[0], *decisions[2:]], 0)


@pytest.mark.parametrize("written", [-1, 0, 10])
def test_a_header_that_cannot_be_written_leaves_no_segment(
    open_writer: OpenWriter,
    decisions: list[Decision],
    folder: Path,
    trouble: Trouble,
    written: int,
) -> None:
    writer = open_writer()
    trouble.written_of_next, trouble.of_header = written, True
    with pytest.raises(JournalError):
        append(writer, decisions[0])
    assert [*folder.glob("*.jsonl"), *folder.glob("*.new")] == []
    append(writer, decisions[1])
    assert read_chunk(segments(folder)[0], 0).records == (decisions[1],)


@pytest.mark.parametrize("written", [-1, 100])
def test_the_very_first_write_may_fail(
    open_writer: OpenWriter,
    decisions: list[Decision],
    read_all: ReadAll,
    trouble: Trouble,
    written: int,
) -> None:
    writer = open_writer()
    trouble.written_of_next = written
    with pytest.raises(JournalError):
        append(writer, decisions[0])
    append(writer, decisions[1])
    assert read_all() == ([decisions[1]], 0)


def test_what_cannot_be_undone_is_counted_and_merges_with_nothing(
    open_writer: OpenWriter, decisions: list[Decision], read_all: ReadAll, trouble: Trouble
) -> None:
    writer = open_writer()
    append(writer, decisions[0])
    trouble.fail("ftruncate")
    trouble.written_of_next = 100
    with pytest.raises(JournalError):
        append(writer, decisions[1])
    append(writer, decisions[2])
    assert trouble.calls == ["ftruncate"]
    assert read_all() == ([decisions[0], decisions[2]], 1)


def test_a_failed_write_may_be_tried_again_without_doubling(
    open_writer: OpenWriter, decisions: list[Decision], read_all: ReadAll, trouble: Trouble
) -> None:
    writer = open_writer()
    for decision in decisions:
        trouble.written_of_next = len(decision_line(decision)) - 1
        with pytest.raises(JournalError):
            append(writer, decision)
        append(writer, decision)
    assert read_all() == (decisions, 0)


def test_a_disk_that_stays_full_is_not_filled_with_empty_segments(
    open_writer: OpenWriter, decisions: list[Decision], folder: Path, trouble: Trouble
) -> None:
    writer = open_writer()
    for _ in range(20):
        trouble.written_of_next = -1
        with pytest.raises(JournalError):
            append(writer, decisions[0])
    assert len(segments(folder)) == 1
    append(writer, decisions[1])
    assert len(segments(folder)) == 1
    assert read_chunk(segments(folder)[0], 0).records == (decisions[1],)


def test_a_segment_that_somebody_deleted_takes_nothing_more(
    open_writer: OpenWriter, decisions: list[Decision], read_all: ReadAll, folder: Path
) -> None:
    writer = open_writer()
    append(writer, decisions[0])
    for path in segments(folder):
        path.unlink()
    append(writer, *decisions[1:])
    assert read_all() == (decisions[1:], 0)


def test_a_segment_that_cannot_get_its_name_leaves_nothing_open(
    open_writer: OpenWriter,
    decisions: list[Decision],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def rename(_self: Path, _target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    writer = open_writer()
    opened = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        for _ in range(20):
            with pytest.raises(JournalError):
                append(writer, decisions[0])
    assert [path.name for path in folder.iterdir()] == ["writers.lock"]
    assert len(list(Path("/proc/self/fd").iterdir())) == opened
    append(writer, decisions[0])
    assert read_chunk(segments(folder)[0], 0).records == (decisions[0],)


def test_a_folder_that_cannot_be_made_is_a_journal_error(
    tmp_path: Path, decisions: list[Decision]
) -> None:
    (tmp_path / "file").touch()
    writer = JournalWriter(tmp_path / "file" / "journal", segment_bytes=1000)
    with pytest.raises(JournalError):
        append(writer, decisions[0])
    writer.close()


def test_trouble_while_closing_a_full_segment_costs_no_record(
    open_writer: OpenWriter, decisions: list[Decision], read_all: ReadAll, trouble: Trouble
) -> None:
    writer = open_writer(segment_bytes=1)
    trouble.fail("fdatasync")
    append(writer, *decisions)
    records, torn = read_all()
    assert (records, torn) == (decisions, 0)
    assert trouble.calls


def test_always_means_on_the_disk_before_append_returns(
    open_writer: OpenWriter, decisions: list[Decision], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fdatasync

    def sync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", sync)
    writer = open_writer(fsync="always")
    size = len(header_line())
    for count, decision in enumerate(decisions, 1):
        append(writer, decision)
        size += len(decision_line(decision))
        assert len(synced) == count
        assert synced[-1] == size


def test_always_takes_back_what_the_disk_refused(
    open_writer: OpenWriter, decisions: list[Decision], read_all: ReadAll, trouble: Trouble
) -> None:
    writer = open_writer(fsync="always")
    append(writer, decisions[0])
    trouble.fail("fdatasync", times=1)
    with pytest.raises(JournalError):
        append(writer, decisions[1])
    append(writer, decisions[2])
    assert read_all() == ([decisions[0], decisions[2]], 0)


def test_background_reaches_the_disk_soon_after(
    open_writer: OpenWriter, decisions: list[Decision], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append(os.fstat(fd).st_size))
    writer = open_writer()
    append(writer, decisions[0])
    wait_until(lambda: synced == [len(header_line() + decision_line(decisions[0]))])
    append(writer, decisions[1])
    wait_until(lambda: len(synced) == 2)
    time.sleep(0.15)
    assert len(synced) == 2  # a quiet journal leaves the disk alone


@pytest.mark.parametrize("call", ["fdatasync", "dup"])
def test_background_goes_on_after_the_disk_refused(
    open_writer: OpenWriter,
    decisions: list[Decision],
    trouble: Trouble,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
) -> None:
    synced: list[int] = []
    real = os.fdatasync

    def sync(descriptor: int) -> None:
        synced.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", sync)
    trouble.fail(call, times=2)
    writer = open_writer()
    append(writer, decisions[0])
    wait_until(lambda: trouble.calls == [call, call] and synced)


def test_closing_tells_when_the_disk_refuses_but_lets_the_segment_go(
    open_writer: OpenWriter, decisions: list[Decision], folder: Path, trouble: Trouble
) -> None:
    writer = open_writer()
    append(writer, decisions[0])
    trouble.fail("fdatasync")
    with pytest.raises(JournalError, match="cannot flush"):
        writer.close()
    (path,) = segments(folder)
    assert read_chunk(path, 0).records == (decisions[0],)
    wait_until_exhausted(path)


def test_closing_waits_for_a_flush_in_the_background_which_holds_the_lock(
    open_writer: OpenWriter, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushing, real = threading.Event(), os.fdatasync

    def slow_in_background(descriptor: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            flushing.set()
            closing.wait(10)
            time.sleep(0.2)  # the disk takes its time, also after the segment was closed
        real(descriptor)

    closing = threading.Event()
    monkeypatch.setattr(os, "fdatasync", slow_in_background)
    writer = open_writer()
    writer.append(b'{"k":"?"}\n')
    assert flushing.wait(10)
    closing.set()
    writer.close()
    assert read_chunk(segments(folder)[0], 0).exhausted


def test_only_its_owner_reads_a_segment(
    open_writer: OpenWriter, decisions: list[Decision], folder: Path
) -> None:
    append(open_writer(), decisions[0])
    (path,) = segments(folder)
    assert path.stat().st_mode & 0o777 == 0o600

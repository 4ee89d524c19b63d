"""Appending to the journal: one ``os.write`` a record, durable against ``kill -9`` at once.

A background thread flushes to the disk every 50 ms, which bounds what a power cut can take; with
``fsync="always"`` each append waits for the disk. The writer holds a lock on its segment, which
the operating system releases when the process ends, however it ends: that is how a reader knows
that a segment will grow no more.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from threading import Event, Lock, Thread

from bandit_platform.domain.request_arms import ArmList
from bandit_platform.errors import JournalError
from bandit_platform.journal.header import header_line
from bandit_platform.journal.node import note_writer
from bandit_platform.journal.records import arms_line
from bandit_platform.private_files import make_folder

SUFFIX = ".jsonl"
_FLUSH_SECONDS = 0.05
#: hashes of lists of arms that are remembered
_MOST_ARMS = 10_000
_FULL = {errno.ENOSPC, errno.EDQUOT}
#: A page: less may still fit where a record does not.
_PROBE = bytes(4096)


class JournalWriter:
    """Appends lines to segments of its own inside a folder shared with other processes."""

    def __init__(self, folder: Path, *, segment_bytes: int, fsync: str = "background") -> None:
        self.folder = folder
        self._segment_bytes = segment_bytes
        self._always = fsync == "always"
        self._lock = Lock()
        self._descriptor: int | None = None
        self._segment = ""
        self._size = 0
        #: hashes of the lists of arms that the segment has
        self._arms: set[str] = set()
        self._dirty = False
        self._stop = Event()
        #: says, while it is open, that this process may append
        self._presence = note_writer(folder)
        self._flusher = Thread(target=self._flush_forever, name="journal-flush", daemon=True)
        if not self._always:
            self._flusher.start()

    def append(
        self,
        lines: bytes,
        announce: Callable[[str, int], None] | None = None,
        arms: ArmList | None = None,
    ) -> None:
        """Write one or more whole lines.

        Args:
            lines: each with its newline.
            announce: told, just before, in which segment they will stand and where.
            arms: what the lines name by its hash; written before them unless the segment has it.

        Raises:
            JournalError: they could not be written whole; nothing of them counts.
        """
        with self._lock:
            try:
                written = self._write_whole(lines, announce, arms)
            except OSError as error:
                raise JournalError(f"cannot write the journal: {error}") from error
            self._dirty = True
            self._size += written
            if self._size >= self._segment_bytes:
                with suppress(OSError):  # the records are in the file, as after any other append
                    self._close()

    def _write_whole(
        self,
        lines: bytes,
        announce: Callable[[str, int], None] | None,
        arms: ArmList | None,
    ) -> int:
        if self._descriptor is not None and not os.fstat(self._descriptor).st_nlink:
            self._abandon()  # somebody deleted the file, and what is written there nobody finds
        descriptor = self._open()
        before = b"" if arms is None or arms.hash in self._arms else arms_line(arms)
        if announce is not None:
            announce(self._segment, self._size + len(before))
        lines = before + lines
        try:
            written = os.write(descriptor, lines)
        except OSError as error:
            # A full disk took nothing: another segment would only be one empty file more.
            if error.errno not in _FULL:
                self._abandon()
            raise
        if written != len(lines):
            self._abandon()
            raise OSError(f"only {written} of {len(lines)} bytes written")
        if self._always:
            try:
                os.fdatasync(descriptor)
            except OSError:
                self._abandon()
                raise
        if before and arms is not None:
            if len(self._arms) >= _MOST_ARMS:
                self._arms.clear()
            self._arms.add(arms.hash)
        return len(lines)

    def trouble(self) -> str | None:
        """Why nothing can be recorded at the moment, found out by trying; None when it can."""
        probe = self.folder / f"{os.getpid()}.probe"
        try:
            make_folder(self.folder)
            try:
                probe.write_bytes(_PROBE)
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            return f"the journal cannot be written: {error.strerror}"
        return None

    def close(self) -> None:
        """Flush and release the segment; a later append opens another.

        Raises:
            JournalError: the disk refused; what was appended survives anything but a power cut.
        """
        self._stop.set()
        try:
            with self._lock:
                self._close()
        except OSError as error:
            raise JournalError(f"cannot flush the journal: {error}") from error
        finally:
            if self._flusher.is_alive():  # its copy of the descriptor holds the lock too
                self._flusher.join()
            if self._presence is not None:
                os.close(self._presence)
                self._presence = None

    def _open(self) -> int:
        if self._descriptor is None:
            make_folder(self.folder)
            if self._presence is None:
                self._presence = note_writer(self.folder)
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
            path = self.folder / f"{stamp}-{os.getpid()}-{token_hex(4)}{SUFFIX}"
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
            # The lock is taken before the file gets the name that readers look for.
            draft = path.with_suffix(".new")
            descriptor = os.open(draft, flags, 0o600)
            header = header_line()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                _write_header(descriptor, header)
                draft.rename(path)
            except OSError:
                os.close(descriptor)
                draft.unlink(missing_ok=True)
                raise
            self._descriptor, self._size, self._segment = descriptor, len(header), path.name
            self._arms.clear()
        return self._descriptor

    def _abandon(self) -> None:
        """Undo a torn write if possible and go on in a fresh segment."""
        if self._descriptor is not None:
            with suppress(OSError):  # else the torn line stays the segment's last, and is counted
                os.ftruncate(self._descriptor, self._size)
            os.close(self._descriptor)
            self._descriptor = None

    def _close(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor, self._dirty = self._descriptor, None, False
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

    def _flush_forever(self) -> None:
        while not self._stop.wait(_FLUSH_SECONDS):
            with self._lock:
                if not self._dirty or self._descriptor is None:
                    continue
                try:
                    descriptor = os.dup(self._descriptor)
                except OSError:  # out of descriptors; the next round tries again
                    continue
                self._dirty = False
            try:
                os.fdatasync(descriptor)
            except OSError:
                self._dirty = True
            finally:
                os.close(descriptor)


def _write_header(descriptor: int, header: bytes) -> None:
    if os.write(descriptor, header) != len(header):
        raise OSError(errno.ENOSPC, "no space for a segment's header")

"""Which request keys this node has answered: a small file that its serving processes share.

Each slot says where in the journal the decision of a key stands. A process locks the slot while it
looks, decides and appends, so that of many simultaneous requests with one key only one decides.
The note is written before the record: a crash between the two leaves a note that leads to nothing,
never a record that nobody finds. Whatever the file says is checked against the record itself, so a
stale, torn or overwritten slot costs a look into the database and nothing else.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from bandit_platform.domain.decision import Decision
from bandit_platform.journal.records import parse_line
from bandit_platform.private_files import make_folder

FILE = "requests.index"
_SLOT = struct.Struct("<16sQ56s")
_SLOTS = 1 << 17
_LONGEST_LINE = 1 << 18
#: A process that holds a slot for longer has been stopped; the next one goes on without it. On a
#: machine that does too much, one that moves may wait for the processor for a tenth of a second.
_WAIT_SECONDS = 0.25
_STEP_SECONDS = 0.0005


class SharedRequests:
    """The request keys of one node, for one of its processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None
        self._mine = Lock()  # file locks do not keep the threads of a process apart

    @contextmanager
    def claim(self, decision_id: str) -> Iterator[Claim]:
        """Inside, no other process of this node decides for the same key.

        Without a usable file each process is on its own, as the nodes of a deployment are.
        """
        with self._mine:
            claim = Claim(self._folder, self._open(), decision_id)
            claim.lock()
            try:
                yield claim
            finally:
                claim.unlock()

    def _open(self) -> int | None:
        if self._file is None:
            with suppress(OSError):
                make_folder(self._folder)
                flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
                self._file = os.open(self._folder / FILE, flags, 0o600)
        return self._file


class Claim:
    """One key while it is being looked up and answered."""

    def __init__(self, folder: Path, file: int | None, decision_id: str) -> None:
        self._folder = folder
        self._file = file
        self._decision_id = decision_id
        self._identity = bytes.fromhex(decision_id[:32])
        self._slot = int.from_bytes(self._identity[6:10], "big") % _SLOTS

    def find(self) -> Decision | None:
        """The decision that a process of this node recorded for the key, if it still stands."""
        if self._file is None:
            return None
        try:
            data = os.pread(self._file, _SLOT.size, self._slot * _SLOT.size)
            if data[:16] != self._identity or len(data) < _SLOT.size:
                return None
            _, offset, segment = _SLOT.unpack(data)
            name = segment.rstrip(b"\0").decode()
            with (self._folder / name).open("rb", buffering=0) as file:
                line, newline, _ = os.pread(file.fileno(), _LONGEST_LINE, offset).partition(b"\n")
            record = parse_line(line) if newline else None
        except (OSError, ValueError):  # taken over by the database meanwhile, or never written
            return None
        if isinstance(record, Decision) and record.decision_id == self._decision_id:
            return record
        return None

    def note(self, segment: str, offset: int) -> None:
        """Say where the decision is about to be recorded."""
        if self._file is not None:
            with suppress(OSError):
                slot = _SLOT.pack(self._identity, offset, segment.encode())
                os.pwrite(self._file, slot, self._slot * _SLOT.size)

    def lock(self) -> None:
        """Keep other processes out, unless one of them does not move."""
        if self._file is None:
            return
        give_up = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self._slot)
            except OSError:
                if time.monotonic() > give_up:
                    return
                time.sleep(_STEP_SECONDS)
            else:
                return

    def unlock(self) -> None:
        """Let others in."""
        if self._file is not None:
            with suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._slot)

"""The seat of a node's worker: how a new worker knows that the one before it is dead.

A lease lasts for seconds after its holder was killed. On the same node nobody need wait for that:
the operating system frees a file's lock with the process that held it, and the file says under
which name that process led.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from bandit_platform.private_files import make_folder


class Seat:
    """A locked file in the data folder; sitting down succeeds for one living process at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self, holder: str) -> str | None:
        """Sit down as ``holder``.

        Returns:
            The name of the former holder, who is certainly dead; None when there was none, or
            when another worker of this node lives.
        """
        with suppress(OSError):
            make_folder(self._path.parent)
            descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                former = os.pread(descriptor, 1000, 0).decode(errors="replace")
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, holder.encode(), 0)
            except OSError:
                os.close(descriptor)
                raise
            self._descriptor = descriptor
            return former or None
        return None

    def leave(self) -> None:
        """Stand up."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

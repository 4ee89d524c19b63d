"""Which node a journal belongs to, and whether a process may still append to it."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from bandit_platform.private_files import make_folder

#: the file that keeps a node's identity
IDENTITY = "node"
_WRITERS = "writers.lock"
_ID_LENGTH = 16
#: a reader that looks for writers holds the lock for microseconds
_ATTEMPTS = 20
_STEP_SECONDS = 0.001


def node_id(folder: Path) -> str:
    """The identity of the node whose journal is in the folder, made at the first call.

    It is kept beside the segments, so it lives and moves as they do.

    Raises:
        OSError: the folder cannot be used.
    """
    path = folder / IDENTITY
    make_folder(folder)
    for _ in range(2):
        with suppress(FileNotFoundError):
            known = path.read_text(encoding="ascii", errors="replace").strip()
            if len(known) == _ID_LENGTH and known.isalnum():
                return known
            path.unlink(missing_ok=True)  # damaged, by a power cut while it was written
        draft = path.with_name(f"{IDENTITY}.{os.getpid()}.{token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(token_hex(_ID_LENGTH // 2), encoding="ascii")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was quicker, and its identity is the node's
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii").strip()


def note_writer(folder: Path) -> int | None:
    """A descriptor that says, while it is open, that this process may append to the journal.

    The operating system closes it with the process. None where the folder cannot be used.
    """
    with suppress(OSError):
        make_folder(folder)
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
        descriptor = os.open(folder / _WRITERS, flags, 0o600)
        for _ in range(_ATTEMPTS):
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return descriptor
            time.sleep(_STEP_SECONDS)
        os.close(descriptor)
    return None


def has_writers(folder: Path) -> bool:
    """Whether some process may append to the journal."""
    try:
        descriptor = os.open(folder / _WRITERS, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False

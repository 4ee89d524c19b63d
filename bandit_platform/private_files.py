"""Folders and files that only their owner can open, made so from their first moment.

What is there already keeps the permissions it was given; :func:`is_open` tells of it.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    if not folder.parent.exists():
        make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file where there is none; whoever opens it next says why that failed.

    A file that is there is never opened: SQLite's locks on its database are the process's, and
    closing the file anywhere in the process would let go of them.
    """
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}.{token_hex(4)}")
    with suppress(OSError):
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        try:
            os.link(draft, path)
        finally:
            draft.unlink()


def is_open(path: Path) -> str | None:
    """The permissions of a folder or file that others than its owner can open, else None."""
    with suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        return f"{mode:04o}" if mode & _OTHERS else None
    return None

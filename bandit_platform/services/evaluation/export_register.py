"""Which files were exported on this machine, and a rule that exports and forgetting take turns.

A register in the data folder names every exported file, so that forgetting a unit reaches them as
long as they lie where they were written. Exports share a lock on the register that forgetting
takes alone: an export that has read a unit's rows ends before they are removed, and is searched.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bandit_platform.errors import InputError, UnavailableError
from bandit_platform.services.evaluation.log_writers import Kind

REGISTER = "exports.jsonl"
_FLAGS = os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
_LOOK_SECONDS = 0.1
_SUFFIXES = {
    ".parquet": Kind.PARQUET,
    ".csv": Kind.CSV,
    ".json": Kind.DSJSON,
    ".jsonl": Kind.DSJSON,
    ".dsjson": Kind.DSJSON,
}


def kind_of(path: Path) -> Kind:
    """The kind of an exported file, by its name; ``.gz`` after the suffix tells nothing.

    Raises:
        InputError: the name does not tell.
    """
    name = Path(path.stem) if path.suffix.lower() == ".gz" else path
    kind = _SUFFIXES.get(name.suffix.lower())
    if kind is None:
        known = ", ".join(_SUFFIXES)
        raise InputError(
            f"{path}: its name does not tell what kind of export it is; give it one that ends in "
            f"{known} (or in one of them and .gz)"
        )
    return kind


def register_export(register: Path, out: Path, kind: Kind) -> None:
    """Remember an exported file."""
    _add(register, {"path": str(out.resolve()), "kind": kind})


def register_draft(register: Path, draft: Path) -> None:
    """Remember a file that an export is about to write, in case the export is killed."""
    _add(register, {"draft": str(draft.resolve())})


def registered_exports(register: Path) -> dict[Path, Kind]:
    """Every file that was exported here → its kind."""
    found: dict[Path, Kind] = {}
    for entry in _entries(register):
        try:
            found[Path(entry["path"])] = Kind(entry["kind"])
        except (ValueError, KeyError, TypeError):
            continue
    return found


@contextmanager
def exporting(register: Path, patience: float) -> Iterator[None]:
    """Let no unit be forgotten meanwhile.

    Args:
        register: of this machine.
        patience: seconds to wait while a unit is forgotten.

    Raises:
        UnavailableError: that took longer.
    """
    trouble = "a unit is being forgotten on this machine; export again when that has ended"
    with _locked(register, fcntl.LOCK_SH, patience, trouble):
        yield


@contextmanager
def nothing_exported(register: Path, patience: float) -> Iterator[None]:
    """Let no export run meanwhile, and remove what killed ones left half written.

    Args:
        register: of this machine.
        patience: seconds to wait for exports that run.

    Raises:
        UnavailableError: they took longer.
    """
    trouble = (
        "an export is running on this machine and may hold rows of the unit; nothing was "
        "forgotten: call again when the export has ended"
    )
    with _locked(register, fcntl.LOCK_EX, patience, trouble):
        for entry in _entries(register):
            draft = Path(str(entry.get("draft", "")))
            if draft.name.startswith(".") and draft.suffix == ".draft":
                with suppress(OSError):
                    draft.unlink()
        yield


@contextmanager
def _locked(register: Path, how: int, patience: float, trouble: str) -> Iterator[None]:
    try:
        descriptor = os.open(register, _FLAGS, 0o600)
    except OSError as error:
        raise UnavailableError(f"{register} cannot be opened: {error.strerror}") from error
    try:
        limit = time.monotonic() + patience
        while not _lock(descriptor, how):
            if time.monotonic() >= limit:
                raise UnavailableError(trouble)
            time.sleep(_LOOK_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _add(register: Path, entry: dict[str, str]) -> None:
    # the line before may have been torn by a power cut
    line = f"\n{json.dumps(entry)}\n".encode()
    descriptor = os.open(register, _FLAGS, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        file.write(line)
        os.fsync(descriptor)


def _entries(register: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = register.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:  # empty, or torn
            continue
        if isinstance(entry, dict):
            yield entry

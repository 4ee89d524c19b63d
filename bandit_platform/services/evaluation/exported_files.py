"""Which files were exported on this machine, and taking a unit's rows out of them.

A register in the data folder names every exported file, so that forgetting a unit reaches them as
long as they lie where they were written. A file that holds rows of the unit is written anew without
them and takes the old one's place when it is whole; other files are left as they are.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bandit_platform.errors import InputError
from bandit_platform.services.evaluation.log_writers import Kind

REGISTER = "exports.jsonl"
_SUFFIXES = {".parquet": Kind.PARQUET, ".csv": Kind.CSV, ".gz": Kind.CSV}
_LONGEST_CELL = 1 << 30


@dataclass(frozen=True, kw_only=True)
class SearchedFile:
    """An exported file, after a unit was looked for in it.

    Attributes:
        path: where it is, or was.
        rows: how many were removed.
        trouble: why it could not be searched; None when it was.
    """

    path: Path
    rows: int = 0
    trouble: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What identifies a unit's rows."""

    unit: str
    decisions: Collection[str]

    def __call__(self, unit: Any, decision: Any) -> bool:
        return unit == self.unit or decision in self.decisions


def register_export(register: Path, out: Path, kind: Kind) -> None:
    """Remember an exported file."""
    line = json.dumps({"path": str(out.resolve()), "kind": kind}) + "\n"
    descriptor = os.open(register, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(line)


def registered_exports(register: Path) -> dict[Path, Kind]:
    """Every file that was exported here → its kind."""
    try:
        lines = register.read_text().splitlines()
    except FileNotFoundError:
        return {}
    found: dict[Path, Kind] = {}
    for line in lines:
        try:
            entry = json.loads(line)
            found[Path(entry["path"])] = Kind(entry["kind"])
        except (ValueError, KeyError, TypeError):  # a power cut tore the line
            continue
    return found


def kind_of(path: Path) -> Kind:
    """The kind of an exported file, by its name."""
    return _SUFFIXES.get(path.suffix.lower(), Kind.DSJSON)


def forget_in_exports(
    files: Iterable[tuple[Path, Kind]], unit: str, decisions: Collection[str]
) -> list[SearchedFile]:
    """Take a unit's rows out of exported files.

    Args:
        files: where they are, and their kinds.
        unit: pseudonym.
        decisions: its decisions, for files that name no unit.
    """
    wanted = _Wanted(unit=unit, decisions=decisions)
    return [_searched(path, kind, wanted) for path, kind in files]


def _searched(path: Path, kind: Kind, wanted: _Wanted) -> SearchedFile:
    if not path.is_file():
        return SearchedFile(path=path, trouble="is not there any more")
    draft = path.with_name(f".{path.name}.draft")
    try:
        removed = _COPIES[kind](path, draft, wanted)
        if removed:
            shutil.copymode(path, draft)
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            draft.replace(path)
    except InputError as error:
        return SearchedFile(path=path, trouble=str(error))
    except (OSError, EOFError, ValueError, csv.Error):
        return SearchedFile(path=path, trouble="cannot be read as what was exported")
    finally:
        draft.unlink(missing_ok=True)
    return SearchedFile(path=path, rows=removed)


def _text(path: Path, mode: str) -> IO[str]:
    if ".gz" in path.suffixes:
        return gzip.open(path, f"{mode}t", encoding="utf-8", newline="")  # type: ignore[return-value]
    return path.open(mode, encoding="utf-8", newline="")


def _copy_csv(path: Path, draft: Path, wanted: _Wanted) -> int:
    csv.field_size_limit(_LONGEST_CELL)
    removed = 0
    with _text(path, "r") as source, _text(draft, "w") as copy:
        rows, writer = csv.reader(source), csv.writer(copy)
        header = next(rows, [])
        if not {"unit_id", "decision_id"} <= set(header):
            raise InputError("has no columns unit_id and decision_id")
        unit, decision = header.index("unit_id"), header.index("decision_id")
        writer.writerow(header)
        for row in rows:
            if len(row) == len(header) and wanted(row[unit], row[decision]):
                removed += 1
            else:
                writer.writerow(row)
    return removed


def _copy_dsjson(path: Path, draft: Path, wanted: _Wanted) -> int:
    removed = 0
    with path.open(encoding="utf-8") as source, draft.open("w", encoding="utf-8") as copy:
        for line in source:
            event = json.loads(line) if line.strip() else {}
            if not isinstance(event, dict):
                raise InputError("holds lines that are no logged decisions")
            if wanted(event.get("UnitId"), event.get("EventId")):
                removed += 1
            else:
                copy.write(line)
    return removed


def _copy_parquet(path: Path, draft: Path, wanted: _Wanted) -> int:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow.parquet import ParquetFile, ParquetWriter  # noqa: PLC0415
    except ModuleNotFoundError:
        raise InputError("needs: pip install 'bandit-platform[parquet]'") from None
    removed = 0
    with ParquetFile(path) as source:
        schema = source.schema_arrow
        if not {"unit_id", "decision_id"} <= set(schema.names):
            raise InputError("has no columns unit_id and decision_id")
        with ParquetWriter(draft, schema, compression="zstd") as writer:
            for number in range(source.num_row_groups):
                group = source.read_row_group(number)
                pairs = zip(
                    group["unit_id"].to_pylist(), group["decision_id"].to_pylist(), strict=True
                )
                kept = pa.array([not wanted(unit, decision) for unit, decision in pairs])
                left = group.filter(kept)
                removed += len(group) - len(left)
                writer.write_table(left)
    return removed


_COPIES: dict[Kind, Callable[[Path, Path, _Wanted], int]] = {
    Kind.CSV: _copy_csv,
    Kind.DSJSON: _copy_dsjson,
    Kind.PARQUET: _copy_parquet,
}

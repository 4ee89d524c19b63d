"""Taking a unit's rows out of exported files.

A file that holds rows of the unit is written anew without them and takes the old one's place when
it is whole; other files are left as they are.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import zlib
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bandit_platform.errors import InputError
from bandit_platform.services.evaluation.log_writers import Kind

_LONGEST_CELL = 1 << 30
_PACKED = b"\x1f\x8b"
_UNREADABLE = "cannot be read as what was exported"


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
        return unit == self.unit or (isinstance(decision, str) and decision in self.decisions)


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
    draft = path.with_name(f".{path.name}.forgetting.draft")
    try:
        if not path.is_file():
            return SearchedFile(path=path, trouble="is not there any more")
        os.close(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
        removed = _COPIES[kind](path, draft, wanted)
        if removed:
            shutil.copymode(path, draft)
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            draft.replace(path)
    except InputError as error:
        return SearchedFile(path=path, trouble=str(error))
    except OSError as error:
        told = f"cannot be searched: {error.strerror}" if error.errno else _UNREADABLE
        return SearchedFile(path=path, trouble=told)
    except (EOFError, ValueError, LookupError, RecursionError, csv.Error, zlib.error):
        return SearchedFile(path=path, trouble=_UNREADABLE)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return SearchedFile(path=path, rows=removed)


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_PACKED)) == _PACKED


def _text(path: Path, mode: str, *, packed: bool) -> IO[str]:
    if packed:
        return gzip.open(path, f"{mode}t", encoding="utf-8", newline="")  # type: ignore[return-value]
    return path.open(mode, encoding="utf-8", newline="")


def _copy_csv(path: Path, draft: Path, wanted: _Wanted) -> int:
    csv.field_size_limit(_LONGEST_CELL)
    removed, packed = 0, _is_packed(path)
    with _text(path, "r", packed=packed) as source, _text(draft, "w", packed=packed) as copy:
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
    removed, packed = 0, _is_packed(path)
    with _text(path, "r", packed=packed) as source, _text(draft, "w", packed=packed) as copy:
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
    try:
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
                    kept = [not wanted(unit, decision) for unit, decision in pairs]
                    left = group.filter(pa.array(kept, type=pa.bool_()))
                    removed += len(group) - len(left)
                    if len(left):
                        writer.write_table(left)
    except OSError:
        raise
    except pa.ArrowException as error:
        raise InputError(_UNREADABLE) from error
    return removed


_COPIES: dict[Kind, Callable[[Path, Path, _Wanted], int]] = {
    Kind.CSV: _copy_csv,
    Kind.DSJSON: _copy_dsjson,
    Kind.PARQUET: _copy_parquet,
}

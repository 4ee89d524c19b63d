"""A foreign data file as columns of text, each with the line it came from."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, TypeVar

from bandit_platform.errors import LogError

Value = TypeVar("Value")


class LoggedTable:
    """The wanted columns of a CSV, CSV.gz or Parquet file, as text.

    Args:
        path: the file; ``.parquet`` and ``.gz`` are told by the name.
        names: the columns that are wanted.
        limit: read only so many rows from the start.

    Raises:
        LogError: the file cannot be read, lacks a column, has no rows or a torn one.
    """

    def __init__(self, path: Path, names: Sequence[str], limit: int | None = None) -> None:
        self.path = path
        read = _read_parquet if path.suffix == ".parquet" else _read_csv
        self._columns, self._lines = read(path, names, limit)
        if not self._lines:
            raise LogError(f"{path}: has no rows")

    def __len__(self) -> int:
        return len(self._lines)

    def read(self, column: str, convert: Callable[[str], Value]) -> list[Value]:
        """A column's values; each distinct text is converted once.

        Raises:
            LogError: ``convert`` refused a text (ValueError), with the line where it stands first.
        """
        texts = self._columns[column]
        values: dict[str, Value] = {}
        for text in dict.fromkeys(texts):
            try:
                values[text] = convert(text.strip())
            except ValueError as error:
                line = self._lines[texts.index(text)]
                raise LogError(f"{self.path}:{line}: column {column} {error}") from None
        return [values[text] for text in texts]


_Read = tuple[dict[str, list[str]], list[int]]


def _read_csv(path: Path, names: Sequence[str], limit: int | None) -> _Read:
    try:
        with _open(path) as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            positions = _positions(path, header, names)
            rows, lines = [], []
            for row in islice(_whole_rows(path, reader, len(header)), limit):
                rows.append([row[position] for position in positions])
                lines.append(reader.line_num)
    except FileNotFoundError:
        raise LogError(f"{path}: there is no such file") from None
    except csv.Error as error:
        raise LogError(f"{path}:{reader.line_num}: cannot be read: {error}") from None
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise LogError(f"{path}: cannot be read: {error}") from None
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in names]
    return dict(zip(names, columns, strict=True)), lines


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _whole_rows(path: Path, reader: Iterator[list[str]], width: int) -> Iterator[list[str]]:
    for row in reader:
        if not row:
            continue
        if len(row) != width:
            line = getattr(reader, "line_num", 0)
            raise LogError(f"{path}:{line}: has {len(row)} columns, the header has {width}")
        yield row


def _positions(path: Path, header: Sequence[str], names: Sequence[str]) -> list[int]:
    missing = [name for name in names if name not in header]
    if missing:
        raise LogError(f"{path}:1: has no column {', '.join(missing)} (see columns.toml)")
    return [header.index(name) for name in names]


def _read_parquet(path: Path, names: Sequence[str], limit: int | None) -> _Read:
    import pandas as pd  # noqa: PLC0415 - half a second that CSV files need not wait for

    try:
        frame = pd.read_parquet(path)
    except ImportError:
        raise LogError(f"{path}: needs pip install 'bandit-platform[parquet]'") from None
    except FileNotFoundError:
        raise LogError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise LogError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from None
    _positions(path, list(frame.columns), names)
    frame = frame[list(names)].iloc[:limit].astype("string").fillna("")
    return {name: frame[name].tolist() for name in names}, list(range(2, len(frame) + 2))

"""Read decision-log files: CSV, CSV.gz and Parquet."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bandit_platform.errors import LogError
from bandit_platform.ope.log import DecisionLog

if TYPE_CHECKING:
    import pandas as pd

_TEXT = ("arm", "decision_id", "unit_id", "decided_at", "eligible_arms", "pmf")


@dataclass(frozen=True, kw_only=True)
class LogFile:
    """A decision log that was read from a file.

    Attributes:
        path: where it was read from.
        log: its good rows, in decision order.
        skipped: bad rows left out (only where that was asked for).
        first_problem: what was wrong with the topmost of them; empty where none was skipped.
    """

    path: Path
    log: DecisionLog
    skipped: int
    first_problem: str


def read_decision_log(path: Path, *, skip_bad_rows: bool = False) -> LogFile:
    """Read and check a decision log.

    Args:
        path: a ``.csv``, ``.csv.gz`` or ``.parquet`` file with the columns of a decision log.
        skip_bad_rows: leave bad rows out and count them instead of refusing the file.

    Raises:
        LogError: the file is missing, unreadable, of no known kind, lacks columns or has a bad
            row; the message names the file, the line and the mend.
    """
    frame, where = _load(path)
    return from_frame(frame, path=path, where=where, skip_bad_rows=skip_bad_rows)


def from_frame(
    frame: pd.DataFrame, *, path: Path, where: Callable[[int], str], skip_bad_rows: bool = False
) -> LogFile:
    """A decision log from a data frame with the columns of a decision log.

    Args:
        frame: the columns.
        path: what to call the frame in messages.
        where: says where a row stands, from its position.
        skip_bad_rows: as in :func:`read_decision_log`.

    Raises:
        LogError: as in :func:`read_decision_log`.
    """
    from bandit_platform.services.decision_log_rows import (  # noqa: PLC0415 - pandas is slow
        Problems,
        decode,
        missing_columns,
    )

    missing = missing_columns([str(column) for column in frame.columns])
    if missing:
        known = ", ".join(map(str, frame.columns))
        raise LogError(f"{path}: missing column {', '.join(missing)} (the file has {known})")
    if len(frame) == 0:
        raise LogError(f"{path}: the log has no rows")
    problems = Problems(where=where, bad=np.zeros(len(frame), dtype=np.bool_))
    log = decode(frame, problems)
    error = problems.error()
    if error is not None and (not skip_bad_rows or log is None):
        raise error
    if log is None:
        raise LogError(f"{path}: the log has no usable rows")
    return LogFile(
        path=path,
        log=log,
        skipped=int(problems.bad.sum()),
        first_problem="" if error is None else str(error),
    )


def _load(path: Path) -> tuple[pd.DataFrame, Callable[[int], str]]:
    """The file as a data frame, and a way to say where its rows stand."""
    if not path.is_file():
        raise LogError(f"{path}: no such file")
    if path.name.endswith((".csv", ".csv.gz")):
        return _load_csv(path), lambda at: f"{path}, line {_line(path, at)}"
    if path.suffix == ".parquet":
        return _load_parquet(path), lambda at: f"{path}, row {at + 1}"
    raise LogError(f"{path}: not a .csv, .csv.gz or .parquet file")


def _load_csv(path: Path) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - slow to import

    try:
        return pd.read_csv(
            path,
            dtype=dict.fromkeys(_TEXT, "object"),
            keep_default_na=False,
            na_values=[""],
            low_memory=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OSError, EOFError) as why:
        raise LogError(f"{path}: not a readable CSV file: {why}") from why


def _load_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - slow to import

    try:
        return pd.read_parquet(path)
    except ImportError as why:
        raise LogError(
            f"{path}: reading Parquet needs pyarrow: pip install 'bandit-platform[parquet]'"
        ) from why
    except (ValueError, OSError) as why:
        raise LogError(f"{path}: not a readable Parquet file: {why}") from why


def _line(path: Path, row: int) -> int:
    """The physical line on which a CSV record starts (quoted cells may span lines)."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", newline="") as text:
        reader = csv.reader(text)
        records = (fields for fields in reader if fields)
        next(records)
        before = reader.line_num
        for at, _ in enumerate(records):
            if at == row:
                return before + 1
            before = reader.line_num
    return row + 2

"""Read decision-log files: CSV, CSV.gz, Parquet and DSJSON."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bandit_platform.errors import LogError
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.logs.problems import Problems
from bandit_platform.services.evaluation.csv_cells import without_guards
from bandit_platform.services.evaluation.export_format import demand_readable

if TYPE_CHECKING:
    import pandas as pd

TEXT = ("arm", "decision_id", "unit_id", "decided_at", "eligible_arms", "pmf")
"""Columns that are text whatever they look like."""
_NO_PROPENSITY = (
    "; without the probability with which each arm was drawn nothing can be valued honestly: log "
    "it, or say --estimate-propensities to take each arm's share of the rows instead"
)
DSJSON = (".json", ".dsjson", ".jsonl")


@dataclass(frozen=True, kw_only=True)
class LogFile:
    """A decision log that was read from a file.

    Attributes:
        path: where it was read from.
        log: its good rows, in decision order.
        skipped: bad rows left out (only where that was asked for).
        first_problem: what was wrong with the topmost of them; empty where none was skipped.
        passed_over: decisions without an outcome, such as deferred ones never shown.
    """

    path: Path
    log: DecisionLog
    skipped: int
    first_problem: str
    passed_over: int = 0


def read_decision_log(
    path: Path, *, skip_bad_rows: bool = False, estimate_propensities: bool = False
) -> LogFile:
    """Read and check a decision log.

    Args:
        path: a ``.csv``, ``.csv.gz`` or ``.parquet`` file with the columns of a decision log, or
            a DSJSON file (``.json``, ``.dsjson``).
        skip_bad_rows: leave bad rows out and count them instead of refusing the file.
        estimate_propensities: where the file has none, take each arm's share of the rows with
            the same eligible arms. That is right only if nothing else decided; the log is marked.

    Raises:
        LogError: the file is missing, unreadable, of no known kind, lacks columns or has a bad
            row; the message names the file, the line and the mend.
    """
    if path.suffix in DSJSON:
        return _read_dsjson(path, skip_bad_rows=skip_bad_rows)
    frame, where = _load(path)
    estimated = estimate_propensities and not {"propensity", "pmf"} & set(frame.columns)
    if estimated and "arm" in frame:
        frame = frame.assign(propensity=_shares(frame))
    file = from_frame(frame, path=path, where=where, skip_bad_rows=skip_bad_rows)
    return replace(file, log=replace(file.log, estimated_propensity=estimated))


def _shares(frame: pd.DataFrame) -> pd.Series[float]:
    """Each row's arm's share among the rows with the same eligible arms."""
    by = ["eligible_arms"] if "eligible_arms" in frame else []
    one = frame.assign(one=1.0)
    counts = one.groupby([*by, "arm"], dropna=False)["one"].transform("sum")
    return counts / (one.groupby(by, dropna=False)["one"].transform("sum") if by else len(one))


def _read_dsjson(path: Path, *, skip_bad_rows: bool) -> LogFile:
    import pandas as pd  # noqa: PLC0415 - slow to import

    from bandit_platform.services.evaluation.dsjson import read_dsjson  # noqa: PLC0415 - as above

    if not path.is_file():
        raise LogError(f"{path}: no such file")
    rows = read_dsjson(path)
    first = ""
    if rows.bad:
        line, reason = rows.bad[0]
        first = f"{path}, line {line}: {reason}"
        if not skip_bad_rows:
            raise LogError(first)
    if not rows.records:
        raise LogError(f"{path}: the log has no decisions with an outcome")
    file = from_frame(
        pd.DataFrame(rows.records),
        path=path,
        where=lambda at: f"{path}, line {rows.lines[at]}",
        skip_bad_rows=skip_bad_rows,
    )
    return replace(
        file,
        skipped=file.skipped + len(rows.bad),
        first_problem=first or file.first_problem,
        passed_over=rows.without_outcome,
    )


def from_frame(
    frame: pd.DataFrame,
    *,
    path: Path,
    where: Callable[[int], str],
    skip_bad_rows: bool = False,
    part: bool = False,
) -> LogFile:
    """A decision log from a data frame with the columns of a decision log.

    Args:
        frame: the columns.
        path: what to call the frame in messages.
        where: says where a row stands, from its position.
        skip_bad_rows: as in :func:`read_decision_log`.
        part: the frame is a part of a log, so it may have no (good) rows.

    Raises:
        LogError: as in :func:`read_decision_log`.
    """
    from bandit_platform.ope.logs.frame import decode, missing_columns  # noqa: PLC0415 - pandas is slow

    missing = missing_columns([str(column) for column in frame.columns])
    if missing:
        known = ", ".join(map(str, frame.columns))
        mend = _NO_PROPENSITY if missing == ["propensity"] else ""
        raise LogError(f"{path}: missing column {', '.join(missing)} (the file has {known}){mend}")
    if len(frame) == 0 and not part:
        raise LogError(f"{path}: the log has no rows")
    problems = Problems(where=where, bad=np.zeros(len(frame), dtype=np.bool_))
    log = decode(frame, problems)
    error = problems.error()
    if error is not None and not (skip_bad_rows and (part or log is not None)):
        raise error
    if log is None and not part:
        raise LogError(f"{path}: the log has no usable rows")
    return LogFile(
        path=path,
        log=_no_rows() if log is None else log,
        skipped=int(problems.bad.sum()),
        first_problem="" if error is None else str(error),
    )


def _no_rows() -> DecisionLog:
    none = np.empty(0)
    return DecisionLog(arms=(), arm=none.astype(np.int64), propensity=none, reward=none)


def _load(path: Path) -> tuple[pd.DataFrame, Callable[[int], str]]:
    """The file as a data frame, and a way to say where its rows stand."""
    if not path.is_file():
        raise LogError(f"{path}: no such file")
    if path.name.endswith((".csv", ".csv.gz")):
        return _load_csv(path), lambda at: f"{path}, line {csv_line(path, at)}"
    if path.suffix == ".parquet":
        return _load_parquet(path), lambda at: f"{path}, row {at + 1}"
    raise LogError(f"{path}: not a .csv, .csv.gz, .parquet, .json or .dsjson file")


def _load_csv(path: Path) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - slow to import

    try:
        frame = pd.read_csv(
            path,
            dtype=dict.fromkeys(TEXT, "object"),
            keep_default_na=False,
            na_values=[""],
            low_memory=False,
        )
        return without_guards(frame)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OSError, EOFError) as why:
        raise LogError(f"{path}: not a readable CSV file: {why}") from why


def _load_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - slow to import

    try:
        from pyarrow import parquet  # noqa: PLC0415 - optional

        demand_readable(path, parquet.read_schema(path).metadata)
        return pd.read_parquet(path)
    except ImportError as why:
        raise LogError(
            f"{path}: reading Parquet needs pyarrow: pip install 'bandit-platform[parquet]'"
        ) from why
    except (ValueError, OSError) as why:
        raise LogError(f"{path}: not a readable Parquet file: {why}") from why


def csv_line(path: Path, row: int) -> int:
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

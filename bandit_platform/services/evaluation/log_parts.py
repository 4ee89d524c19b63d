"""Read a Parquet decision log a part at a time, so that it may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bandit_platform.errors import LogError
from bandit_platform.ope.evaluating.evaluation import survey_of
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.logs.segments import column_of
from bandit_platform.ope.logs.survey import Survey
from bandit_platform.services.evaluation.decision_log import TEXT, LogFile, from_frame
from bandit_platform.services.evaluation.export_format import demand_readable

if TYPE_CHECKING:
    import pyarrow.parquet as pq

TEXT_REPEATED = ("arm", "eligible_arms", "pmf")
"""Text columns whose cells repeat: read as codes, each distinct cell decoded once."""
PART_ROWS = 131_072
"""Rows of a part."""
_LEAN = ("arm", "propensity", "reward", "eligible_arms", "pmf")
_COLUMNS = (*TEXT, "propensity", "reward")


@dataclass(frozen=True, kw_only=True)
class PartsReader:
    """A Parquet file, or a folder of them in the order of their names.

    Attributes:
        paths: the files.
        context: read the context columns too.
        skip_bad_rows: leave bad rows out instead of refusing the log.
        lean: read only what arms, propensities and rewards need.
    """

    paths: tuple[Path, ...]
    context: bool = True
    skip_bad_rows: bool = False
    lean: bool = False

    @classmethod
    def of(cls, path: Path, *, context: bool = True, skip_bad_rows: bool = False) -> PartsReader:
        """A reader for a file or folder.

        Raises:
            LogError: nothing there to read.
        """
        paths = tuple(sorted(path.glob("*.parquet"))) if path.is_dir() else (path,)
        if not paths or not paths[0].is_file():
            raise LogError(f"{path}: no such Parquet file or folder of Parquet files")
        return cls(paths=paths, context=context, skip_bad_rows=skip_bad_rows)

    def rows(self) -> int:
        """Rows of all files, from their footers."""
        return sum(int(open_parquet(path).metadata.num_rows) for path in self.paths)

    def parts(self) -> Iterator[DecisionLog]:
        """The logs of all parts, in order.

        Raises:
            LogError: a bad row or file, or parts that are not in the order of ``decided_at``.
        """
        order = TimeOrder()
        for file in self.files():
            order.check(span_of(file.log))
            yield file.log

    def files(self) -> Iterator[LogFile]:
        """Every part with its counts of skipped rows."""
        for path in self.paths:
            opened = open_parquet(path)
            done = 0
            for batch in opened.iter_batches(PART_ROWS, columns=self.wanted(opened)):
                yield decoded(batch, path, done, skip_bad_rows=self.skip_bad_rows)
                done += batch.num_rows

    def shares(self) -> Iterator[RowGroup]:
        """The row groups of all files, in order, each to be read by whoever is to work on it."""
        for path in self.paths:
            opened, first = open_parquet(path), 0
            for number in range(opened.metadata.num_row_groups):
                yield RowGroup(
                    path=path.resolve(),
                    number=number,
                    first=first,
                    columns=tuple(self.wanted(opened)),
                    skip_bad_rows=self.skip_bad_rows,
                )
                first += int(opened.metadata.row_group(number).num_rows)

    def wanted(self, opened: pq.ParquetFile) -> list[str]:
        """The columns of a file that an evaluation uses."""
        names = [str(name) for name in opened.schema_arrow.names]
        if self.lean:
            return [name for name in names if name in _LEAN]
        prefixes = ("target.", "context.") if self.context else ("target.",)
        return [name for name in names if name in _COLUMNS or name.startswith(prefixes)]

    def survey(self) -> Survey:
        """What must be known of the whole log beforehand, from the columns that say it."""
        return survey_of(self._lean().parts())

    def _lean(self) -> PartsReader:
        return replace(self, context=False, lean=True)

    def skipped(self) -> tuple[int, str]:
        """How many rows are bad, and what is wrong with the first of them."""
        count, first = 0, ""
        for file in self._lean().files():
            count += file.skipped
            first = first or file.first_problem
        return count, first


@dataclass(frozen=True, kw_only=True)
class RowGroup:
    """One row group of one file.

    Attributes:
        path: the file.
        number: of the row group.
        first: rows of the file before it.
        columns: columns to read.
        skip_bad_rows: leave bad rows out.
    """

    path: Path
    number: int
    first: int
    columns: tuple[str, ...]
    skip_bad_rows: bool

    def read(self) -> DecisionLog:
        """The rows as a decision log."""
        table = open_parquet(self.path).read_row_group(self.number, columns=list(self.columns))
        return decoded(table, self.path, self.first, skip_bad_rows=self.skip_bad_rows).log

    def lean(self, by: Iterable[str]) -> RowGroup:
        """The same with only the columns that a survey and segments need."""
        known = [name.removeprefix("context.") for name in self.columns]
        names = {*_LEAN, *(f"context.{column_of(name, known)[0]}" for name in by)}
        return replace(self, columns=tuple(name for name in self.columns if name in names))


Span = tuple[np.datetime64, np.datetime64]
"""When the first and the last row of a part were decided."""


def span_of(log: DecisionLog) -> Span | None:
    """The span of a part; None where the log does not say, or has no row."""
    if log.moment is None or len(log) == 0:
        return None
    return log.moment[0], log.moment[-1]


class TimeOrder:
    """Refuses parts that are not in the order of their decisions."""

    def __init__(self) -> None:
        self._last: np.datetime64 | None = None

    def check(self, span: Span | None) -> None:
        """Compare the next part with those before it.

        Raises:
            LogError: it starts before an earlier part ends.
        """
        if span is None:
            return
        if self._last is not None and span[0] < self._last:
            raise LogError(
                "the log's rows are not in the order of decided_at, and it is read in parts: "
                "sort it by decided_at first"
            )
        self._last = span[1]


def decoded(batch: Any, path: Path, first: int, *, skip_bad_rows: bool) -> LogFile:
    """One record batch as a decision log.

    Args:
        batch: a pyarrow record batch or table.
        path: the file it is from.
        first: number of rows before it.
        skip_bad_rows: leave bad rows out.
    """
    return from_frame(
        batch.to_pandas(),
        path=path,
        where=lambda at: f"{path}, row {first + at + 1}",
        skip_bad_rows=skip_bad_rows,
        part=True,
    )


def open_parquet(path: Path) -> pq.ParquetFile:
    """A Parquet file, its footer read.

    Raises:
        LogError: it cannot be read, or pyarrow is not installed.
    """
    try:
        from pyarrow import parquet  # noqa: PLC0415 - optional

        schema = parquet.read_schema(path)
        demand_readable(path, schema.metadata)
        repeated = [
            name
            for name in TEXT_REPEATED
            if name in schema.names and str(schema.field(name).type).endswith("string")
        ]
        return parquet.ParquetFile(path, read_dictionary=repeated)
    except ImportError as why:
        raise LogError(
            f"{path}: reading Parquet needs pyarrow: pip install 'bandit-platform[parquet]'"
        ) from why
    except (ValueError, OSError) as why:
        raise LogError(f"{path}: not a readable Parquet file: {why}") from why


def after(log: DecisionLog, moment: np.datetime64) -> DecisionLog:
    """The rows decided after a moment.

    Raises:
        LogError: the log does not say when its rows were decided.
    """
    if log.moment is None:
        raise LogError("the log has no decided_at column, so rows cannot be chosen by time")
    return log.rows(log.moment > moment)

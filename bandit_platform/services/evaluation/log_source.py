"""Where an evaluation's rows come from: a file in memory, a file in parts, or an experiment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bandit_platform.errors import InputError
from bandit_platform.ope.evaluating.evaluation import survey_of
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.logs.segments import column_of
from bandit_platform.ope.logs.survey import Survey
from bandit_platform.services.evaluation.csv_parts import SUFFIXES as CSV_SUFFIXES
from bandit_platform.services.evaluation.csv_parts import CsvReader, csv_files
from bandit_platform.services.evaluation.decision_log import read_decision_log
from bandit_platform.services.evaluation.log_parts import PART_ROWS, PartsReader, after

if TYPE_CHECKING:
    from bandit_platform.domain.experiment import ExperimentSpec

MEMORY_ROWS = 2_000_000
"""A Parquet log with more rows is read in parts."""
MEMORY_BYTES = {".csv": 2**27, ".gz": 2**25}
"""A CSV file larger than this is read in parts."""


class Share(Protocol):
    """A part of a log that whoever is to work on it can read."""

    def read(self) -> DecisionLog:
        """The rows."""
        ...

    def lean(self, by: Sequence[str]) -> Share:
        """The same with no more columns than a survey and these segments need."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldShare:
    """Rows that have been read already.

    Attributes:
        log: the rows.
    """

    log: DecisionLog

    def read(self) -> DecisionLog:
        """The rows."""
        return self.log

    def lean(self, by: Sequence[str]) -> HeldShare:
        """Without the columns that a survey and these segments do not need."""
        context = self.log.context
        names = [column_of(name, () if context is None else context.columns)[0] for name in by]
        kept = None if context is None else context[[name for name in names if name in context]]
        return HeldShare(log=replace(self.log, context=kept, unit=None, targets={}))


@dataclass(frozen=True, kw_only=True)
class LaterShare:
    """The rows of a share that were decided after a moment.

    Attributes:
        share: reads all rows.
        moment: the moment.
    """

    share: Share
    moment: np.datetime64

    def read(self) -> DecisionLog:
        """The rows."""
        log = self.share.read()
        return after(log, self.moment) if len(log) else log

    def lean(self, _by: Sequence[str]) -> LaterShare:
        """The same: what is left out depends on more columns."""
        return self


@dataclass(frozen=True, kw_only=True)
class LogSource:
    """The rows of a log, to be walked as often as need be.

    Attributes:
        parts: gives the parts in decision order, the same at each call.
        spec: the experiment whose definitions the log was read by; None for a plain log.
        notes: what a reader must know about how the log was read.
        reader: reads the parts of a log too large for memory; None for one in memory.
        later: only rows decided after this moment; None for all.
    """

    parts: Callable[[], Iterable[DecisionLog]]
    spec: ExperimentSpec | None = None
    notes: tuple[str, ...] = ()
    reader: PartsReader | CsvReader | None = None
    later: np.datetime64 | None = None

    def survey(self) -> Survey:
        """What must be known of the whole log beforehand.

        Raises:
            EvaluationError: the log has no rows.
        """
        if self.later is None and isinstance(self.reader, CsvReader) and self.reader.survey:
            return self.reader.survey
        if self.later is None and isinstance(self.reader, PartsReader):
            return self.reader.survey()
        return survey_of(self.parts())

    def shares(self) -> Iterator[Share]:
        """The log in parts for a cluster: where a file can be read in any order, not read yet."""
        found: Iterable[Share]
        if isinstance(self.reader, PartsReader) or (
            self.reader is not None and len(self.reader.paths) > 1
        ):
            found = self.reader.shares()
            if self.later is not None:
                found = (LaterShare(share=share, moment=self.later) for share in found)
        else:
            found = (
                HeldShare(log=log.rows(slice(at, at + PART_ROWS)))
                for log in self.parts()
                for at in range(0, len(log), PART_ROWS)
            )
        yield from found

    def later_than(self, moment: np.datetime64) -> LogSource:
        """Only the rows decided after a moment."""
        note = f"only rows decided after {moment} are used: the model had learned up to then"
        return replace(
            self,
            parts=lambda: (after(part, moment) for part in self.parts() if len(part)),
            later=moment,
            notes=(*self.notes, note),
        )


def open_log(
    path: Path,
    *,
    experiment: Path | None = None,
    skip_bad_rows: bool = False,
    estimate_propensities: bool = False,
    context: bool = True,
) -> LogSource:
    """The rows of a decision log.

    Args:
        path: the file, or a folder of Parquet or CSV files.
        experiment: folder of the experiment whose files say how to read a foreign log.
        skip_bad_rows: leave bad rows out and count them.
        estimate_propensities: as in :func:`~.decision_log.read_decision_log`.
        context: the context columns are needed.

    Raises:
        InputError: the log or the experiment cannot be read.
    """
    if experiment is not None:
        return _from_experiment(experiment, path)
    if _csv_in_parts(path) and not estimate_propensities:
        large = CsvReader.of(path, context=context, skip_bad_rows=skip_bad_rows)
        notes = _skipped(large.skipped, large.first_problem)
        return LogSource(parts=large.parts, notes=notes, reader=large)
    if path.is_dir() or path.suffix == ".parquet":
        reader = PartsReader.of(path, context=context, skip_bad_rows=skip_bad_rows)
        if path.is_dir() or reader.rows() > MEMORY_ROWS:
            notes = _skipped(*reader.skipped()) if skip_bad_rows else ()
            return LogSource(parts=reader.parts, notes=notes, reader=reader)
    file = read_decision_log(
        path, skip_bad_rows=skip_bad_rows, estimate_propensities=estimate_propensities
    )
    notes = _skipped(file.skipped, file.first_problem)
    if file.passed_over:
        notes += (f"{file.passed_over} decisions were never shown or not to be learned from",)
    return LogSource(parts=lambda: (file.log,), notes=notes)


def _csv_in_parts(path: Path) -> bool:
    """A folder of CSV files, or one file larger than memory should hold."""
    if path.is_dir():
        return bool(csv_files(path)) and not any(path.glob("*.parquet"))
    if not (path.is_file() and path.name.endswith(CSV_SUFFIXES)):
        return False
    return path.stat().st_size > MEMORY_BYTES[path.suffix]


def _skipped(count: int, first: str) -> tuple[str, ...]:
    return (f"{count} bad rows were skipped, the first: {first}",) if count else ()


def _from_experiment(experiment: Path, path: Path) -> LogSource:
    import pandas as pd  # noqa: PLC0415 - slow to import

    from bandit_platform.services.evaluation.logged_data import read_logged_data  # noqa: PLC0415 - as above

    if not path.exists():
        raise InputError(f"{path}: no such file")
    data = read_logged_data(experiment, path)
    names = tuple(sorted(data.spec.arm_keys))
    code = pd.Index(names).get_indexer(pd.Index(data.arms)).astype(np.int64)
    log = DecisionLog(
        arms=names,
        arm=code,
        propensity=data.propensities,
        reward=data.rewards,
        context=pd.DataFrame.from_records(list(data.contexts)) if data.spec.context else None,
        unit=np.array(data.units, dtype=object),
    )
    notes = (f"{data.clipped} rewards were cut to the declared range",) if data.clipped else ()
    return LogSource(parts=lambda: (log,), spec=data.spec, notes=notes)

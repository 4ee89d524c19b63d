"""Where an evaluation's rows come from: a file in memory, a file in parts, or an experiment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bandit_platform.errors import InputError
from bandit_platform.ope.evaluation import survey_of
from bandit_platform.ope.log import DecisionLog
from bandit_platform.ope.survey import Survey
from bandit_platform.services.decision_log import read_decision_log
from bandit_platform.services.log_parts import PartsReader, after

if TYPE_CHECKING:
    from bandit_platform.domain.experiment import ExperimentSpec

MEMORY_ROWS = 2_000_000
"""A Parquet log with more rows is read in parts."""


@dataclass(frozen=True, kw_only=True)
class LogSource:
    """The rows of a log, to be walked as often as need be.

    Attributes:
        parts: gives the parts in decision order, the same at each call.
        spec: the experiment whose definitions the log was read by; None for a plain log.
        notes: what a reader must know about how the log was read.
        reader: reads the parts of a log too large for memory; None for one in memory.
    """

    parts: Callable[[], Iterable[DecisionLog]]
    spec: ExperimentSpec | None = None
    notes: tuple[str, ...] = ()
    reader: PartsReader | None = None

    def survey(self) -> Survey:
        """What must be known of the whole log beforehand.

        Raises:
            EvaluationError: the log has no rows.
        """
        return survey_of(self.parts()) if self.reader is None else self.reader.survey()

    def later_than(self, moment: np.datetime64) -> LogSource:
        """Only the rows decided after a moment."""
        note = f"only rows decided after {moment} are used: the model had learned up to then"
        return replace(
            self,
            parts=lambda: (rows for part in self.parts() if len(rows := after(part, moment))),
            reader=None,
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
        path: the file, or a folder of Parquet files.
        experiment: folder of the experiment whose files say how to read a foreign log.
        skip_bad_rows: leave bad rows out and count them.
        estimate_propensities: as in :func:`~.decision_log.read_decision_log`.
        context: the context columns are needed.

    Raises:
        InputError: the log or the experiment cannot be read.
    """
    if experiment is not None:
        return _from_experiment(experiment, path)
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


def _skipped(count: int, first: str) -> tuple[str, ...]:
    return (f"{count} bad rows were skipped, the first: {first}",) if count else ()


def _from_experiment(experiment: Path, path: Path) -> LogSource:
    import pandas as pd  # noqa: PLC0415 - slow to import

    from bandit_platform.services.logged_data import read_logged_data  # noqa: PLC0415 - as above

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

"""Read a CSV decision log a part at a time, so that it may be larger than memory.

A column's type is that of the whole log: a first walk finds out what its cells look like, so that
a column of numbers in one part and of words in another is read as words in both, as it would be
in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bandit_platform.errors import LogError
from bandit_platform.ope.evaluating.evaluation import survey_of
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.logs.parts import combined
from bandit_platform.ope.logs.survey import Survey
from bandit_platform.services.evaluation.csv_cells import without_guards
from bandit_platform.services.evaluation.decision_log import TEXT, LogFile, csv_line, from_frame
from bandit_platform.services.evaluation.log_parts import PART_ROWS, TimeOrder, span_of

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".csv.gz")
Kind = Literal["empty", "boolean", "whole", "number", "gappy boolean", "text"]
_NUMBERS = frozenset({"empty", "whole", "number"})
_BOOLEANS = frozenset({"empty", "boolean", "gappy boolean"})
_TYPES = {"whole": "int64", "number": "float64", "text": "str"}
_COLUMNS = (*TEXT, "propensity", "reward")


@dataclass(frozen=True, kw_only=True)
class CsvReader:
    """A CSV file, or a folder of them in the order of their names, walked once already.

    Attributes:
        paths: the files.
        context: read the context columns too.
        skip_bad_rows: leave bad rows out instead of refusing the log.
        kinds: what the cells of each context column look like.
        survey: what must be known of the whole log beforehand; None while that is found out.
        skipped: how many rows are bad.
        first_problem: what is wrong with the first of them.
    """

    paths: tuple[Path, ...]
    context: bool
    skip_bad_rows: bool
    survey: Survey | None = None
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    skipped: int = 0
    first_problem: str = ""

    @classmethod
    def of(cls, path: Path, *, context: bool = True, skip_bad_rows: bool = False) -> CsvReader:
        """A reader for a file or folder; walks it once.

        Raises:
            LogError: nothing there to read, or a bad row.
        """
        paths = csv_files(path) if path.is_dir() else (path,)
        reader = cls(paths=paths, context=context, skip_bad_rows=skip_bad_rows)
        kinds: dict[str, Kind] = {}
        skipped: list[LogFile] = []

        def logs() -> Iterator[DecisionLog]:
            for file, frame in reader._files():
                for name in filter(_is_context, map(str, frame.columns)):
                    kind = kind_of(frame[name])
                    kinds[name] = kind_of_both(kinds[name], kind) if name in kinds else kind
                if file.skipped:
                    skipped.append(replace(file, log=file.log.rows(slice(0, 0))))
                yield file.log

        survey = survey_of(logs())
        return replace(
            reader,
            kinds=kinds,
            survey=survey,
            skipped=sum(file.skipped for file in skipped),
            first_problem=skipped[0].first_problem if skipped else "",
        )

    def parts(self) -> Iterator[DecisionLog]:
        """The logs of all parts, in order.

        Raises:
            LogError: a bad row or file, or parts that are not in the order of ``decided_at``.
        """
        order = TimeOrder()
        for file, _ in self._files():
            order.check(span_of(file.log))
            yield file.log

    def shares(self) -> Iterator[CsvFile]:
        """The files, each to be read by whoever is to work on it."""
        for path in self.paths:
            yield CsvFile(path=path.resolve(), reader=self)

    def _files(self) -> Iterator[tuple[LogFile, pd.DataFrame]]:
        """Every part with its counts of skipped rows, and as it was read."""
        for path in self.paths:
            yield from self.parts_of(path)

    def parts_of(self, path: Path) -> Iterator[tuple[LogFile, pd.DataFrame]]:
        """The parts of one file."""
        done = 0
        for frame in self._frames(path):
            file = from_frame(
                frame,
                path=path,
                where=lambda at, before=done: f"{path}, line {csv_line(path, before + at)}",  # type: ignore[misc]
                skip_bad_rows=self.skip_bad_rows,
                part=True,
            )
            yield file, frame
            done += len(frame)

    def _frames(self, path: Path) -> Iterator[pd.DataFrame]:
        import pandas as pd  # noqa: PLC0415 - slow to import

        types = {name: _TYPES[kind] for name, kind in self.kinds.items() if kind in _TYPES}
        mixed = [name for name, kind in self.kinds.items() if kind == "gappy boolean"]
        try:
            frames = pd.read_csv(
                path,
                chunksize=PART_ROWS,
                usecols=self._wanted,
                dtype={**dict.fromkeys(TEXT, "object"), **types},
                keep_default_na=False,
                na_values=[""],
                low_memory=False,
            )
            with frames:
                for frame in frames:
                    present = [name for name in mixed if name in frame]
                    typed = frame.astype(dict.fromkeys(present, "object")) if present else frame
                    yield without_guards(typed)
        except (ValueError, OSError, EOFError) as why:
            raise LogError(f"{path}: not a readable CSV file: {why}") from why

    def _wanted(self, name: str) -> bool:
        if _is_context(name):
            return self.context
        return name in _COLUMNS or name.startswith("target.")


@dataclass(frozen=True, kw_only=True)
class CsvFile:
    """One file of a folder.

    Attributes:
        path: the file.
        reader: how the folder is read.
    """

    path: Path
    reader: CsvReader

    def read(self) -> DecisionLog:
        """The rows as a decision log."""
        return combined([file.log for file, _ in self.reader.parts_of(self.path)])

    def lean(self, _by: Iterable[str]) -> CsvFile:
        """The same: text is parsed whole anyway."""
        return self


def csv_files(folder: Path) -> tuple[Path, ...]:
    """The CSV files of a folder in the order of their names."""
    return tuple(path for path in sorted(folder.iterdir()) if path.name.endswith(SUFFIXES))


def kind_of(column: pd.Series) -> Kind:
    """What the cells of a column look like."""
    from pandas.api import types  # noqa: PLC0415 - slow to import

    if bool(column.isna().all()):
        return "empty"
    if types.is_bool_dtype(column.dtype):
        return "boolean"
    if types.is_signed_integer_dtype(column.dtype):
        return "whole"
    if types.is_float_dtype(column.dtype):
        return "number"
    known = column.dropna()
    return "gappy boolean" if bool(known.map(lambda cell: isinstance(cell, bool)).all()) else "text"


def kind_of_both(first: Kind, second: Kind) -> Kind:
    """What the cells of two parts of a column look like together."""
    if first == second:
        return first
    if {first, second} <= _NUMBERS:
        return "number"
    return "gappy boolean" if {first, second} <= _BOOLEANS else "text"


def _is_context(name: str) -> bool:
    return name.startswith("context.")

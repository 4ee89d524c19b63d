"""Writing decision logs: CSV (packed where its name ends in .gz), Parquet and DSJSON."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, Protocol

from bandit_platform.errors import InputError
from bandit_platform.services.evaluation.csv_cells import guarded
from bandit_platform.services.evaluation.dsjson import set_object
from bandit_platform.services.evaluation.export_format import METADATA

_FIXED = ("arm", "propensity", "reward", "decision_id", "unit_id", "decided_at")
#: what made up the reward; no reader needs them
_PARTS = ("gross", "taken_back", "costs")
_MONEY = ("currency", *_PARTS)
_AS_JSON = ("eligible_arms", "pmf", "decision")


class Kind(StrEnum):
    """A kind of file."""

    PARQUET = "parquet"
    CSV = "csv"
    DSJSON = "dsjson"


class LogWriter(Protocol):
    """Takes rows, a batch at a time."""

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows."""


@contextmanager
def open_writer(
    kind: Kind, path: Path, context: dict[str, str], policies: Sequence[str]
) -> Iterator[LogWriter]:
    """A writer on a new file, closed at the end.

    Args:
        kind: of the file.
        path: of the file; for CSV, one ending in ``.gz`` (or ``.gz.draft``) is packed.
        context: context field → number, category, boolean or set.
        policies: those whose probability of the logged arm each row has.
    """
    if kind is Kind.PARQUET:
        with _parquet(path, context, policies) as parquet:
            yield parquet
    elif kind is Kind.DSJSON:
        with path.open("w", encoding="utf-8") as file:
            yield _Dsjson(file)
    else:
        packed = ".gz" in path.suffixes
        with (
            gzip.open(path, "wt", encoding="utf-8", newline="")
            if packed
            else path.open("w", encoding="utf-8", newline="") as file
        ):
            yield _Csv(file, list(context), policies)


def _flat(row: dict[str, Any], context: Sequence[str], policies: Sequence[str]) -> dict[str, Any]:
    """A row as the columns of a decision log."""
    return {
        **{name: row[name] for name in (*_FIXED, *_MONEY)},
        **{name: json.dumps(row[name]) for name in _AS_JSON},
        **{f"context.{name}": row["context"].get(name) for name in context},
        **{f"target.{name}": row["targets"][name] for name in policies},
    }


class _Csv:
    def __init__(self, file: IO[str], context: Sequence[str], policies: Sequence[str]) -> None:
        names = [f"context.{name}" for name in context] + [f"target.{name}" for name in policies]
        self._context, self._policies = context, policies
        #: the only columns that hold text of callers; readers take the guard away again
        self._sent = [f"context.{name}" for name in context]
        self._writer = csv.DictWriter(file, [*_FIXED, *_MONEY, *_AS_JSON, *names])
        self._writer.writeheader()

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            flat = _flat(row, self._context, self._policies)
            for name in self._sent:
                flat[name] = guarded(_listed(flat[name]))
            self._writer.writerow(flat)


class _Dsjson:
    """As Vowpal Wabbit logs decisions; its costs are negative rewards."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            self._file.write(json.dumps(_event(row)) + "\n")


def _event(row: dict[str, Any]) -> dict[str, Any]:
    arms = row["eligible_arms"]
    place = arms.index(row["arm"])
    actions = [
        {"_tag": arm, "a": {"@": arm, **features}}
        for arm, features in zip(arms, row["features"], strict=True)
    ]
    return {
        "_label_cost": -row["reward"],
        "_label_probability": row["propensity"],
        "_label_Action": place + 1,
        "_labelIndex": place,
        "Timestamp": row["decided_at"],
        "Version": "1",
        "EventId": row["decision_id"],
        "UnitId": row["unit_id"],  # Vowpal Wabbit passes over it; forgetting a unit finds it
        "Decision": row["decision"],  # Vowpal Wabbit passes over it and the next
        "Money": {name: row[name] for name in _MONEY},
        "a": list(range(1, len(arms) + 1)),
        "c": {**_plain(row["context"]), "_multi": actions},
        "p": list(row["pmf"].values()),
        "VWState": {"m": str(row["model_version"] or "uniform")},
    }


def _plain(context: dict[str, Any]) -> dict[str, Any]:
    return {
        name: set_object(value) if isinstance(value, tuple) else value
        for name, value in context.items()
    }


@contextmanager
def _parquet(path: Path, context: dict[str, str], policies: Sequence[str]) -> Iterator[LogWriter]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow.parquet import ParquetWriter  # noqa: PLC0415
    except ModuleNotFoundError:
        raise InputError("Parquet needs: pip install 'bandit-platform[parquet]'") from None
    kinds = {"number": pa.float64(), "boolean": pa.bool_(), "category": pa.string()}
    kinds["set"] = pa.list_(pa.string())
    numbers = {"propensity", "reward", *_PARTS}
    schema = pa.schema(
        [(name, pa.float64() if name in numbers else pa.string()) for name in (*_FIXED, *_MONEY)]
        + [(name, pa.string()) for name in _AS_JSON]
        + [(f"context.{name}", kinds[kind]) for name, kind in context.items()]
        + [(f"target.{name}", pa.float64()) for name in policies],
        metadata=dict(METADATA),
    )
    texts = [f"context.{name}" for name, kind in context.items() if kind == "category"]

    class _Parquet:
        def write(self, rows: Sequence[dict[str, Any]]) -> None:
            flat = [_flat(row, list(context), policies) for row in rows]
            for row in flat:
                row.update({name: _text(row[name]) for name in texts})
            writer.write_table(pa.Table.from_pylist(flat, schema=schema))

    with ParquetWriter(path, schema, compression="zstd") as writer:
        yield _Parquet()


def _listed(value: Any) -> Any:
    """A set as a JSON list."""
    return json.dumps(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)

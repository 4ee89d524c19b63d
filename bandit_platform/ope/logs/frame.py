"""Turn a data frame of logged decisions into checked numpy columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bandit_platform.errors import LogError
from bandit_platform.ope.logs.frame_arms import arm_table, options_of, reconcile
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.logs.problems import Problems
from bandit_platform.ope.logs.sets import with_sets

REQUIRED = ("arm", "propensity", "reward")


def decode(frame: pd.DataFrame, problems: Problems) -> DecisionLog | None:
    """Check every row and build the log of the good ones.

    Args:
        frame: the file's columns; text columns as text.
        problems: collects the bad rows; the caller decides whether they are fatal.

    Returns:
        The log of the good rows in decision order; None where no row is good.
    """
    reward = _numbers(frame, "reward", problems)
    propensity = _propensity(frame, problems)
    code, names = pd.factorize(frame["arm"])
    named = np.append(np.array([bool(str(name)) for name in names], dtype=np.bool_), False)
    problems.add(~named[code], lambda _: "the arm is missing")
    targets = {name: _target(frame, name, problems) for name in _named(frame, "target.")}
    moments = _moments(frame, problems)
    options = options_of(frame, problems)
    order = np.arange(len(frame)) if moments is None else np.argsort(moments, kind="stable")
    keep = order[~problems.bad[order]]
    if keep.size == 0:
        return None
    table = arm_table(code[keep], [str(name) for name in names], options, keep)
    reconcile(table, propensity, keep, problems)
    sound = ~problems.bad[keep]
    if not sound.any():
        return None
    kept = keep[sound]
    return DecisionLog(
        arms=table.arms,
        arm=table.code[sound],
        propensity=propensity[kept],
        reward=reward[kept],
        eligible=None if table.eligible is None else table.eligible[sound],
        pmf=None if table.pmf is None else table.pmf[sound],
        targets={name: column[kept] for name, column in targets.items()},
        context=_context(frame, kept),
        unit=frame["unit_id"].to_numpy(dtype=object)[kept] if "unit_id" in frame else None,
        moment=None if moments is None else moments[kept],
    )


def log_of(frame: pd.DataFrame) -> DecisionLog:
    """A log of all rows.

    Raises:
        LogError: a column is missing or a row is bad; names the first one.
    """
    missing = missing_columns([str(column) for column in frame.columns])
    if missing:
        raise LogError(f"the data frame has no column {', '.join(missing)}")
    if len(frame) == 0:
        raise LogError("the data frame has no rows")
    problems = Problems(where=lambda at: f"row {at}", bad=np.zeros(len(frame), dtype=np.bool_))
    log = decode(frame, problems)
    error = problems.error()
    if error is not None or log is None:
        raise error or LogError("the data frame has no usable row")
    return log


def missing_columns(columns: list[str]) -> list[str]:
    """Required columns that are not there; a PMF can stand in for the propensity."""
    return [
        name
        for name in REQUIRED
        if name not in columns and not (name == "propensity" and "pmf" in columns)
    ]


def _named(frame: pd.DataFrame, prefix: str) -> list[str]:
    return [str(column)[len(prefix) :] for column in frame if str(column).startswith(prefix)]


def _numbers(frame: pd.DataFrame, column: str, problems: Problems) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = pd.to_numeric(frame[column], errors="coerce").to_numpy(
        dtype=np.float64, na_value=np.nan, copy=True
    )
    problems.add(~np.isfinite(values), lambda at: f"{column} {_shown(frame[column].iloc[at])}")
    return values


def _shown(cell: Any) -> str:
    """What is wrong with a cell that should hold a finite number."""
    if pd.isna(cell):
        return "is missing"
    return f"{str(cell)[:40]!r} is not a finite number"


def _in_range(
    values: npt.NDArray[np.float64], what: str, problems: Problems, *, zero: bool
) -> None:
    low_bad = values < 0.0 if zero else values <= 0.0
    limits = "[0, 1]" if zero else "(0, 1]"
    problems.add(low_bad | (values > 1.0), lambda at: f"{what} {values[at]:g} is not in {limits}")


def _propensity(frame: pd.DataFrame, problems: Problems) -> npt.NDArray[np.float64]:
    if "propensity" in frame:
        values = _numbers(frame, "propensity", problems)
        _in_range(values, "propensity", problems, zero=False)
        return values
    return np.full(len(frame), np.nan)  # taken from the PMF in _arms


def _target(frame: pd.DataFrame, name: str, problems: Problems) -> npt.NDArray[np.float64]:
    values = _numbers(frame, f"target.{name}", problems)
    _in_range(values, f"target.{name}", problems, zero=True)
    return values


def _moments(frame: pd.DataFrame, problems: Problems) -> npt.NDArray[np.datetime64] | None:
    """When each row was decided, UTC; None where the file does not say."""
    if "decided_at" not in frame:
        return None
    moments = pd.to_datetime(frame["decided_at"], utc=True, errors="coerce", format="ISO8601")
    problems.add(
        moments.isna().to_numpy(dtype=np.bool_),
        lambda at: (
            f"decided_at {str(frame['decided_at'].iloc[at])[:40]!r} is not an ISO 8601 moment"
        ),
    )
    return moments.dt.tz_localize(None).to_numpy(dtype="datetime64[us]")


def _context(frame: pd.DataFrame, kept: npt.NDArray[np.intp]) -> pd.DataFrame | None:
    names = _named(frame, "context.")
    if not names:
        return None
    columns = frame[[f"context.{name}" for name in names]].iloc[kept].reset_index(drop=True)
    columns.columns = pd.Index(names)
    for name in names:
        column = columns[name]
        read = with_sets(column)
        if read is not column:
            columns = columns.assign(**{name: read})
    return columns

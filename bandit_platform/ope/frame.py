"""Turn a data frame of logged decisions into checked numpy columns."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bandit_platform.errors import LogError
from bandit_platform.ope.log import DecisionLog

REQUIRED = ("arm", "propensity", "reward")
_Mask = npt.NDArray[np.bool_]


@dataclass(kw_only=True)
class Problems:
    """Bad rows found so far, each with the first thing wrong with it.

    Attributes:
        where: says where a row stands, from its position (``log.csv, line 7``).
        bad: rows found bad, shape (n,).
        first: position and message of the topmost bad row.
    """

    where: Callable[[int], str]
    bad: _Mask
    first: tuple[int, str] | None = field(default=None)

    def add(self, rows: _Mask, message: Callable[[int], str]) -> None:
        """Note the rows as bad; the message is made for the topmost one only."""
        if not rows.any():
            return
        at = int(np.argmax(rows))
        if self.first is None or at < self.first[0]:
            self.first = (at, message(at))
        self.bad |= rows

    def error(self) -> LogError | None:
        """The error for the topmost bad row, None where all rows are good."""
        if self.first is None:
            return None
        at, message = self.first
        return LogError(f"{self.where(at)}: {message}")


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
    options = _options(frame, problems)
    order = np.arange(len(frame)) if moments is None else np.argsort(moments, kind="stable")
    keep = order[~problems.bad[order]]
    if keep.size == 0:
        return None
    table = _arms(code[keep], [str(name) for name in names], options, keep)
    _reconcile(table, propensity, keep, problems)
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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Options:
    """The distinct cells that say which arms a row could get.

    Attributes:
        code: each row's cell, shape (n,).
        cells: probability by arm of each distinct cell, NaN where only eligibility is known.
    """

    code: npt.NDArray[np.intp]
    cells: list[dict[str, float]]


def _options(frame: pd.DataFrame, problems: Problems) -> _Options | None:
    column = "pmf" if "pmf" in frame else "eligible_arms" if "eligible_arms" in frame else None
    if column is None:
        return None
    cells = frame[column]
    if len(cells) and not isinstance(cells.iloc[0], str):
        cells = cells.astype(object).map(_as_text)
    codes, texts = pd.factorize(cells, use_na_sentinel=False)
    parsed = [_parse(text, column) for text in texts]
    wrong = np.array([isinstance(one, str) for one in parsed], dtype=np.bool_)
    problems.add(wrong[codes], lambda at: f"{column} {parsed[codes[at]]}")
    return _Options(code=codes, cells=[{} if isinstance(one, str) else one for one in parsed])


def _as_text(cell: Any) -> Any:
    """Lists and mappings, as Parquet holds them, in the form of text."""
    if isinstance(cell, np.ndarray):
        return json.dumps(cell.tolist())
    return json.dumps(cell) if isinstance(cell, (list, tuple, dict)) else cell


def _parse(text: Any, column: str) -> dict[str, float] | str:
    """The arms of one cell, or what is wrong with it."""
    try:
        value = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return "is not valid JSON"
    return _arm_list(value) if column == "eligible_arms" else _arm_pmf(value)


def _arm_list(value: Any) -> dict[str, float] | str:
    arms = list(value) if isinstance(value, (list, tuple, np.ndarray)) else []
    if not arms or not all(isinstance(arm, str) for arm in arms):
        return "is not a JSON list of arms"
    return dict.fromkeys(arms, np.nan)


def _arm_pmf(value: Any) -> dict[str, float] | str:
    if not isinstance(value, dict) or not value:
        return "is not a JSON object of probabilities by arm"
    pmf = {str(arm): mass for arm, mass in value.items() if mass is not None}
    if not all(isinstance(mass, (int, float)) and 0.0 <= mass <= 1.0 for mass in pmf.values()):
        return "holds something other than probabilities"
    if abs(sum(pmf.values()) - 1.0) > 1e-6:
        return f"sums to {sum(pmf.values()):g} and not to 1"
    return {arm: float(mass) for arm, mass in pmf.items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Table:
    """Arms of the kept rows.

    Attributes:
        arms: names, sorted.
        code: logged arm, shape (m,).
        eligible: shape (m, arms); None where the file does not say.
        pmf: shape (m, arms); None where the file does not say.
    """

    arms: tuple[str, ...]
    code: npt.NDArray[np.int64]
    eligible: npt.NDArray[np.bool_] | None
    pmf: npt.NDArray[np.float64] | None


def _arms(
    code: npt.NDArray[np.intp],
    every: list[str],
    options: _Options | None,
    keep: npt.NDArray[np.intp],
) -> _Table:
    """Number the arms of the kept rows.

    Args:
        code: position of each kept row's arm in ``every``, shape (m,).
        every: arms of all rows, in no order.
        options: which arms each row could get.
        keep: the kept rows, shape (m,).
    """
    seen = np.flatnonzero(np.bincount(code, minlength=len(every)))
    names = [every[at] for at in seen]
    used = [] if options is None else np.unique(options.code[keep]).tolist()
    cells = [] if options is None else [options.cells[at] for at in used]
    arms = tuple(sorted({*names, *(name for cell in cells for name in cell)}))
    index = {name: at for at, name in enumerate(arms)}
    place = np.zeros(len(every), dtype=np.int64)
    place[seen] = [index[name] for name in names]
    codes = place[code]
    if options is None:
        return _Table(arms=arms, code=codes, eligible=None, pmf=None)
    mass = np.full((len(cells), len(arms)), -1.0)
    for row, cell in zip(mass, cells, strict=True):
        for name, share in cell.items():
            row[index[name]] = share
    eligible = ~(mass == -1.0)
    of_row = np.searchsorted(used, options.code[keep])
    pmf = None if bool(np.isnan(mass).any()) else np.where(eligible, mass, 0.0)[of_row]
    return _Table(arms=arms, code=codes, eligible=eligible[of_row], pmf=pmf)


def _reconcile(
    table: _Table,
    propensity: npt.NDArray[np.float64],
    keep: npt.NDArray[np.intp],
    problems: Problems,
) -> None:
    """Take missing propensities from the PMF; refuse rows that contradict themselves."""
    rows = np.arange(keep.size)
    if table.eligible is not None:
        outside = ~table.eligible[rows, table.code]
        _flag(problems, keep, outside, "the logged arm is not among the row's eligible arms")
    if table.pmf is None:
        return
    drawn = table.pmf[rows, table.code]
    given = propensity[keep]
    absent = np.isnan(given)
    propensity[keep] = np.where(absent, drawn, given)
    _flag(problems, keep, ~(drawn > 0.0), "the PMF gives the logged arm no probability")
    apart = ~absent & (np.abs(drawn - given) > 1e-6)
    _flag(problems, keep, apart, "the propensity is not the PMF's probability of the logged arm")


def _flag(problems: Problems, keep: npt.NDArray[np.intp], rows: _Mask, message: str) -> None:
    spread = np.zeros_like(problems.bad)
    spread[keep[rows]] = True
    problems.add(spread, lambda _: message)


def _context(frame: pd.DataFrame, kept: npt.NDArray[np.intp]) -> pd.DataFrame | None:
    names = _named(frame, "context.")
    if not names:
        return None
    columns = frame[[f"context.{name}" for name in names]].iloc[kept].reset_index(drop=True)
    columns.columns = pd.Index(names)
    return columns

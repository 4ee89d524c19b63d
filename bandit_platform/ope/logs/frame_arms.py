"""Which arms a logged row could get, and with which probability."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bandit_platform.ope.logs.problems import Mask, Problems


@dataclass(frozen=True, kw_only=True, eq=False)
class Options:
    """The distinct cells that say which arms a row could get.

    Attributes:
        code: each row's cell, shape (n,).
        cells: probability by arm of each distinct cell, NaN where only eligibility is known.
    """

    code: npt.NDArray[np.intp]
    cells: list[dict[str, float]]


def options_of(frame: pd.DataFrame, problems: Problems) -> Options | None:
    """What the pmf or eligible_arms column says; None where the frame has neither."""
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
    return Options(code=codes, cells=[{} if isinstance(one, str) else one for one in parsed])


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
class ArmTable:
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


def arm_table(
    code: npt.NDArray[np.intp],
    every: list[str],
    options: Options | None,
    keep: npt.NDArray[np.intp],
) -> ArmTable:
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
        return ArmTable(arms=arms, code=codes, eligible=None, pmf=None)
    mass = np.full((len(cells), len(arms)), -1.0)
    for row, cell in zip(mass, cells, strict=True):
        for name, share in cell.items():
            row[index[name]] = share
    eligible = ~(mass == -1.0)
    of_row = np.searchsorted(used, options.code[keep])
    pmf = None if bool(np.isnan(mass).any()) else np.where(eligible, mass, 0.0)[of_row]
    return ArmTable(arms=arms, code=codes, eligible=eligible[of_row], pmf=pmf)


def reconcile(
    table: ArmTable,
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


def _flag(problems: Problems, keep: npt.NDArray[np.intp], rows: Mask, message: str) -> None:
    spread = np.zeros_like(problems.bad)
    spread[keep[rows]] = True
    problems.add(spread, lambda _: message)

"""Logs that come in parts: put together where a first stretch of them is needed whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bandit_platform.ope.logs.log import DecisionLog

if TYPE_CHECKING:
    import pandas as pd

HEAD_ROWS = 131_072
"""Rows at the beginning of a log that segments are chosen by."""


def combined(logs: Sequence[DecisionLog]) -> DecisionLog:
    """Several parts as one; arms that a part without eligible arms lacks were eligible there."""
    logs = [log for log in logs if len(log)] or logs[:1]
    if len(logs) == 1:
        return logs[0]
    arms = tuple(sorted({arm for log in logs for arm in log.arms}))
    each = [log.recoded(arms) for log in logs]
    eligible = None
    if any(log.eligible is not None for log in each):
        everything = [np.ones((len(log), len(arms)), dtype=np.bool_) for log in each]
        eligible = np.concatenate(
            [
                full if log.eligible is None else log.eligible
                for log, full in zip(each, everything, strict=True)
            ]
        )
    names = [name for name in each[0].targets if all(name in log.targets for log in each)]
    return DecisionLog(
        arms=arms,
        arm=np.concatenate([log.arm for log in each]),
        propensity=np.concatenate([log.propensity for log in each]),
        reward=np.concatenate([log.reward for log in each]),
        eligible=eligible,
        pmf=_stacked([log.pmf for log in each]),
        targets={name: np.concatenate([log.targets[name] for log in each]) for name in names},
        context=_framed([log.context for log in each]),
        unit=_stacked([log.unit for log in each]),
        moment=_stacked([log.moment for log in each]),
        estimated_propensity=any(log.estimated_propensity for log in each),
    )


def first_rows(parts: Iterable[DecisionLog], rows: int) -> DecisionLog | None:
    """The log's first rows, or all of them where there are fewer; None where there is no row."""
    found, missing = [], rows
    for part in parts:
        if len(part):
            found.append(part.rows(slice(0, missing)))
            missing -= len(found[-1])
        if missing == 0:
            break
    return combined(found) if found else None


def lengthened(parts: Iterable[DecisionLog], least: int) -> Iterator[DecisionLog]:
    """The same rows in parts the first of which has at least so many rows, where there are."""
    waiting: list[DecisionLog] = []
    missing = least
    for part in parts:
        if len(part) == 0:
            continue
        if missing <= 0:
            yield part
            continue
        waiting.append(part)
        missing -= len(part)
        if missing <= 0:
            yield combined(waiting)
    if missing > 0 and waiting:
        yield combined(waiting)


def _stacked(columns: list[npt.NDArray[Any] | None]) -> npt.NDArray[Any] | None:
    known = [column for column in columns if column is not None]
    return np.concatenate(known) if len(known) == len(columns) else None


def _framed(frames: list[pd.DataFrame | None]) -> pd.DataFrame | None:
    import pandas as pd  # noqa: PLC0415 - slow to import

    known = [frame for frame in frames if frame is not None]
    return pd.concat(known, ignore_index=True) if len(known) == len(frames) else None

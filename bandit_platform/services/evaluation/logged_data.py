"""Reading a logged randomised data set as decisions of an experiment.

The folder of the experiment holds ``experiment.toml`` (arms, context, reward) and ``columns.toml``
(how the file's columns are used); the data are CSV, CSV.gz or Parquet. A value that does not fit
is refused with file and line, and never repeated in the message.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bandit_platform.domain.context import ContextValue, set_value
from bandit_platform.domain.event import Event
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.domain.reward import reward_of
from bandit_platform.services.evaluation.logged_columns import (
    EventSource,
    LoggedColumns,
    parse_probability,
    read_columns,
)
from bandit_platform.services.evaluation.logged_table import LoggedTable
from bandit_platform.services.launching.spec_files import read_spec_file

_TRUE = frozenset({"1", "1.0", "true", "yes"})
_FALSE = frozenset({"0", "0.0", "false", "no"})
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedEvent:
    """One outcome of a logged row."""

    type: str
    amount: float | None


@dataclass(frozen=True, kw_only=True)
class LoggedData:
    """Logged decisions with their outcomes, one row each, in the file's order."""

    spec: ExperimentSpec
    #: the arm each row got; every arm of the experiment was eligible
    arms: tuple[str, ...]
    #: probability with which each row got its arm, shape (n,)
    propensities: NDArray[np.float64]
    contexts: tuple[dict[str, ContextValue], ...]
    events: tuple[tuple[LoggedEvent, ...], ...]
    #: reward of each row by the experiment's definition, in reward units, shape (n,)
    rewards: NDArray[np.float64]
    #: unit of each row
    units: tuple[str, ...]
    #: rows whose reward the declared range cut
    clipped: int

    def __len__(self) -> int:
        return len(self.arms)


def read_logged_data(experiment_dir: Path, data: Path, *, limit: int | None = None) -> LoggedData:
    """A logged data set as decisions of the experiment in a folder.

    Args:
        experiment_dir: the folder with ``experiment.toml`` and ``columns.toml``.
        data: a CSV, CSV.gz or Parquet file.
        limit: read only so many rows from the start.

    Raises:
        SpecError: ``experiment.toml`` or ``columns.toml`` cannot be used, with every problem.
        LogError: the data cannot be read, with file and line.
        InputError: there is no such experiment folder.
    """
    spec = read_spec_file(experiment_dir / "experiment.toml")
    columns = read_columns(experiment_dir / "columns.toml", spec)
    table = LoggedTable(data, columns.names(), limit)
    arms = _read_arms(table, columns, spec)
    events = _read_events(table, columns, arms)
    rewards, clipped = _rewards(arms, events, spec)
    return LoggedData(
        spec=spec,
        arms=tuple(arms),
        propensities=_read_propensities(table, columns),
        contexts=_read_contexts(table, columns, spec),
        events=events,
        rewards=rewards,
        units=_read_units(table, columns),
        clipped=clipped,
    )


def _read_arms(table: LoggedTable, columns: LoggedColumns, spec: ExperimentSpec) -> list[str]:
    def convert(text: str) -> str:
        arm = columns.arm.values.get(text, text)
        if arm not in spec.arm_keys:
            raise ValueError("has a value that is no arm; list it under [arm] values")
        return arm

    return table.read(columns.arm.column, convert)


def _read_propensities(table: LoggedTable, columns: LoggedColumns) -> NDArray[np.float64]:
    source = columns.propensity
    if source.column is None:
        return np.full(len(table), source.value)
    return np.asarray(table.read(source.column, parse_probability), dtype=np.float64)


def _read_units(table: LoggedTable, columns: LoggedColumns) -> tuple[str, ...]:
    if columns.unit is None:
        return tuple(f"row-{number}" for number in range(1, len(table) + 1))

    def convert(text: str) -> str:
        if not text:
            raise ValueError("is empty, but names the unit")
        return text

    return tuple(table.read(columns.unit.column, convert))


def _read_contexts(
    table: LoggedTable, columns: LoggedColumns, spec: ExperimentSpec
) -> tuple[dict[str, ContextValue], ...]:
    names = [name for name in spec.context if name in columns.context]
    read = [table.read(columns.context[name].column, _context_reader(spec, name)) for name in names]
    if not read:
        return tuple({} for _ in range(len(table)))
    return tuple(
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*read, strict=True)
    )


def _context_reader(spec: ExperimentSpec, name: str) -> Callable[[str], ContextValue | None]:
    field = spec.context[name]
    parse: dict[str, Callable[[str], ContextValue]] = {
        "number": _number,
        "boolean": _boolean,
        "category": str,
        "set": _set,
    }

    def convert(text: str) -> ContextValue | None:
        if not text and not field.required:
            return None
        value = parse[field.type](text)
        problem = field.problem(value)
        if problem is not None:
            raise ValueError(problem)
        return set_value(value) if isinstance(value, tuple) else value

    return convert


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError("must be a number") from None
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


def _boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered not in _TRUE | _FALSE:
        raise ValueError("must be 1 or 0, true or false")
    return lowered in _TRUE


def _set(text: str) -> tuple[str, ...]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list):
        raise ValueError("must be a JSON list of texts")  # noqa: TRY004 - the text is at fault
    return tuple(values)


def _happened(text: str) -> bool:
    """Whether an event's column says that it happened: not empty, not zero, not false."""
    if not text or text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    return _number(text) != 0.0


def _amount(text: str) -> float | None:
    return _number(text) if text else None


def _read_events(
    table: LoggedTable, columns: LoggedColumns, arms: Sequence[str]
) -> tuple[tuple[LoggedEvent, ...], ...]:
    by_type = [_events_of(table, type_, source, arms) for type_, source in columns.events.items()]
    return tuple(
        tuple(event for event in row if event is not None) for row in zip(*by_type, strict=True)
    )


def _events_of(
    table: LoggedTable, type_: str, source: EventSource, arms: Sequence[str]
) -> Iterator[LoggedEvent | None]:
    if source.column is not None:
        happened = table.read(source.column, _happened)
    else:
        happened = [arm != NOTHING for arm in arms]
    if source.amount is None:
        event = LoggedEvent(type=type_, amount=None)
        return (event if yes else None for yes in happened)
    amounts = table.read(source.amount.column, _amount)
    return (
        LoggedEvent(type=type_, amount=amount) if yes else None
        for yes, amount in zip(happened, amounts, strict=True)
    )


def _rewards(
    arms: Sequence[str], events: Sequence[tuple[LoggedEvent, ...]], spec: ExperimentSpec
) -> tuple[NDArray[np.float64], int]:
    """The reward of each row, each distinct outcome computed once, and how many were cut."""
    rows = list(zip(arms, events, strict=True))
    by_outcome = {row: _reward(*row, spec) for row in dict.fromkeys(rows)}
    values = np.array([by_outcome[row][0] for row in rows], dtype=np.float64)
    return values, sum(by_outcome[row][1] for row in rows)


def _reward(arm: str, outcome: tuple[LoggedEvent, ...], spec: ExperimentSpec) -> tuple[float, bool]:
    events = (
        Event(
            decision_id="",
            event_id=str(number),
            type=event.type,
            amount=event.amount,
            currency=spec.reward.currency,
            occurred_at=_LONG_AGO,
            received_at=_LONG_AGO,
            trusted=True,
        )
        for number, event in enumerate(outcome)
    )
    reward = reward_of(events, spec.worths[arm], spec.reward_range, spec.reward.currency)
    return reward.value, reward.clipped

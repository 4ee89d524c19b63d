"""How a foreign file's columns become a decision log: the ``columns.toml`` of an experiment."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    field_validator,
    model_validator,
)

from bandit_platform.domain.event import EVENT_TYPE_PATTERN
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.spec_file import format_path
from bandit_platform.errors import Problem, SpecError


def parse_probability(value: Any) -> float:
    """A probability written as a number or as a fraction such as ``1/3``.

    Raises:
        ValueError: it is not a number above 0 and at most 1.
    """
    try:
        number = float(Fraction(value.strip())) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not 0.0 < number <= 1.0:
        raise ValueError('must be a probability above 0 and at most 1, such as 0.25 or "1/3"')
    return number


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Column(_Table):
    """A column of the data, by its header."""

    column: str


class ArmColumn(Column):
    """The column that names the arm a row got, and what its values are called here."""

    values: dict[str, str] = {}


class PropensitySource(_Table):
    """Where a row's propensity comes from: one value for all rows, or a column."""

    value: Annotated[float, BeforeValidator(parse_probability)] | None = None
    column: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> PropensitySource:
        if (self.value is None) == (self.column is None):
            raise ValueError("needs either value or column")
        return self


class EventSource(_Table):
    """When a row has an event of a type, and which amount the event reports."""

    column: str | None = None
    #: one event for every row whose arm is not ``nothing``
    shown: bool = False
    amount: Column | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> EventSource:
        if (self.column is None) == (not self.shown):
            raise ValueError("needs either column or shown = true")
        return self


class LoggedColumns(_Table):
    """The whole ``columns.toml``."""

    arm: ArmColumn
    propensity: PropensitySource
    context: dict[str, Column] = {}
    events: dict[str, EventSource]
    #: rows of one unit share the value of this column; without it every row is a unit
    unit: Column | None = None

    @field_validator("events")
    @classmethod
    def _event_types(cls, value: dict[str, EventSource]) -> dict[str, EventSource]:
        if not value:
            raise ValueError('needs at least one event type, such as visit = { column = "visit" }')
        if not all(EVENT_TYPE_PATTERN.fullmatch(name) for name in value):
            raise ValueError("event types are lower-case words of at most 64 characters")
        return value

    def names(self) -> tuple[str, ...]:
        """Every column of the data that is read, once each."""
        sources: list[Column | EventSource | PropensitySource | None] = [
            self.arm,
            self.propensity,
            self.unit,
            *self.context.values(),
            *self.events.values(),
            *(source.amount for source in self.events.values()),
        ]
        names = (source.column for source in sources if source is not None)
        return tuple(dict.fromkeys(name for name in names if name is not None))


def read_columns(path: Path, spec: ExperimentSpec) -> LoggedColumns:
    """The ``columns.toml`` at ``path``, checked against its experiment.

    Raises:
        SpecError: it cannot be read, with every problem and its path.
    """
    columns, problems = _parse(path)
    problems += _misfits(columns, spec) if columns is not None else []
    if problems or columns is None:
        raise SpecError(problems, str(path))
    return columns


def _parse(path: Path) -> tuple[LoggedColumns | None, list[Problem]]:
    try:
        return LoggedColumns.model_validate(tomllib.loads(path.read_text())), []
    except OSError as error:
        message = f"cannot be read: {error.strerror}; it says how the data's columns are used"
        return None, [Problem(path="", message=message)]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return None, [Problem(path="", message=f"is not valid TOML: {error}")]
    except ValidationError as error:
        return None, [_problem(detail) for detail in error.errors(include_url=False)]


def _problem(detail: Any) -> Problem:
    known = {"extra_forbidden": "is not known here", "missing": "is missing"}
    message = known.get(detail["type"], str(detail["msg"]).removeprefix("Value error, "))
    location = [part for part in detail["loc"] if part != "function-before"]
    return Problem(path=format_path(location), message=message)


def _misfits(columns: LoggedColumns, spec: ExperimentSpec) -> list[Problem]:
    """What does not fit the experiment: unknown arms, undeclared or missing context."""
    return [
        *_unknown(columns.arm.values.values(), spec.arm_keys, "arm.values", "an arm"),
        *_unknown(columns.context, spec.context, "context", "declared context"),
        *(
            Problem(path=f"context.{name}", message="is required by the experiment")
            for name, field in spec.context.items()
            if field.required and name not in columns.context
        ),
    ]


def _unknown(names: Iterable[str], known: Iterable[str], path: str, what: str) -> list[Problem]:
    listed = tuple(known)
    return [
        Problem(path=f"{path}.{name}", message=f"is not {what} of {', '.join(listed)}")
        for name in names
        if name not in listed
    ]

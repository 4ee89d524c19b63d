"""Reading an experiment file: TOML or JSON tables in, one frozen spec or every problem out."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bandit_platform.domain.condition import condition_problem
from bandit_platform.domain.context import ContextField, SetField
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.personal import personal_shape
from bandit_platform.domain.reward import RESERVED
from bandit_platform.errors import InputError, Problem, SpecError

#: a hundred arms with the largest offers fit
LONGEST_FILE = 2_000_000
#: reading a dotted name takes time with the square of its length
_MOST_STOPS = 500
#: these can be read but not written again, as decimal ones cannot be read
_LONG_NUMBER = re.compile(r"0[xob][0-9a-fA-F_]{3000}")
#: tables in tables and lists in lists, further than any experiment goes
_DEEPEST = 100
#: values of a set that a segment may list
MOST_LISTED = 12
_FIELD: TypeAdapter[Any] = TypeAdapter(ContextField)
_UNION_TAGS = frozenset({"float", "str", "bool", "AmountWeight", "FloorTable"})
#: types of context fields, which pydantic puts behind the field's name
_FIELD_TYPES = frozenset({"number", "category", "boolean", "set"})
_TYPE_TAGS = ("tuple[", "dict[", "constrained-")


def parse_toml(text: str, source: str = "experiment.toml") -> ExperimentSpec:
    """The experiment that a TOML text describes.

    Raises:
        SpecError: with every problem found, each with its path (``arms[1].when.country``).
    """
    try:
        tables = toml_tables(text)
    except InputError as error:
        raise SpecError([Problem(path="", message=f"{error}")], source) from None
    return parse_tables(tables, source)


def toml_tables(text: str) -> dict[str, Any]:
    """The tables of a TOML text, which need not be an experiment's.

    Raises:
        InputError: it cannot be read, or only at an unreasonable cost.
    """
    if len(text) > LONGEST_FILE:
        raise InputError(f"is longer than {LONGEST_FILE:,} characters")
    if any(line.count(".") > _MOST_STOPS for line in text.splitlines()):
        raise InputError(f"holds a line with more than {_MOST_STOPS} full stops")
    if _LONG_NUMBER.search(text):
        raise InputError("holds a number with too many digits")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"is not valid TOML: {error}") from None
    except RecursionError:
        raise InputError("is nested too deeply") from None
    except ValueError:
        raise InputError("holds a number with too many digits") from None


def parse_tables(tables: Mapping[str, Any], source: str = "experiment") -> ExperimentSpec:
    """The experiment that tables (from TOML or JSON) describe.

    Raises:
        SpecError: with every problem found, each with its path.
    """
    problems = _unwritable(tables, source)
    spec: ExperimentSpec | None = None
    try:
        spec = ExperimentSpec.model_validate(dict(tables))
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems += [_problem(detail) for detail in details if not _follows(detail, tables)]
    problems = _unique(map(_discreet, [*problems, *_cross_problems(tables)]))
    if problems or spec is None:
        raise SpecError(problems, source)
    return spec


def _follows(detail: Any, tables: Mapping[str, Any]) -> bool:
    """Whether a problem only follows from another one.

    A list is short of its broken items; a share of an amount that is wrong is no number either.
    """
    priced = isinstance(detail["input"], Mapping) and detail["loc"][:1] in {("arms",), ("reward",)}
    if priced and detail["loc"][-1] == "float":
        return True
    return bool(detail["type"] == "too_short" and _list(tables.get(detail["loc"][0])))


def _unique(problems: Iterable[Problem]) -> list[Problem]:
    by_path: dict[str, Problem] = {}
    for problem in problems:
        by_path.setdefault(problem.path, problem)
    return list(by_path.values())


def _discreet(problem: Problem) -> Problem:
    """Without names that a caller took for values: what must not be written down is not told."""
    shape = personal_shape(problem.path) or personal_shape(problem.message)
    if shape is None:
        return problem
    table = problem.path.partition(".")[0]
    path = table if table.partition("[")[0] in ExperimentSpec.model_fields else ""
    return Problem(path=path, message=f"holds a name that looks like {shape}")


def _problem(details: Any) -> Problem:
    message = str(details["msg"])
    location = details["loc"]
    if details["type"] == "extra_forbidden":
        message = "is not known here"
    elif details["type"] == "missing":
        message = "is missing"
    elif details["type"] == "union_tag_invalid":  # pydantic's own words repeat the value
        location, message = (*location, "type"), f"must be one of {details['ctx']['expected_tags']}"
    for prefix in ("Value error, ", "Assertion failed, "):
        message = message.removeprefix(prefix)
    path = format_path(location)
    field, separator, rest = message.partition(": ")
    if separator and field in {"range", "default", "parameters", "reward", "reward.range"}:
        path, message = f"{path}.{field}" if path else field, rest
    return Problem(path=path, message=message)


def format_path(location: Iterable[int | str]) -> str:
    """A location such as ``("arms", 1, "when")`` as ``arms[1].when``."""
    path = ""
    parts = tuple(location)
    for place, part in enumerate(parts):
        if parts[0] == "context" and place == 2 and part in _FIELD_TYPES:
            continue
        if part == "number" and parts[place - 1] == "floor":
            continue
        if isinstance(part, int):
            path += f"[{part}]"
        elif part in _UNION_TAGS or part in {"[key]", "weights"} or part.startswith(_TYPE_TAGS):
            continue
        else:
            name = part.removesuffix("_") if part == "in_" else part
            path += f".{name}" if path else name
    return path


def _unwritable(tables: Mapping[str, Any], source: str) -> list[Problem]:
    """What no file and no answer could hold: half a character.

    Raises:
        SpecError: tables in tables without end, in which nothing else is looked at.
    """
    problems = []
    waiting: list[tuple[tuple[int | str, ...], Any]] = [((), tables)]
    while waiting:
        path, value = waiting.pop()
        parts: list[tuple[int | str, Any]] = []
        if isinstance(value, Mapping):
            parts = list(value.items())
        elif isinstance(value, list):
            parts = list(enumerate(value))
        if len(path) > _DEEPEST:
            where = Problem(path=format_path(path[:2]), message="is nested too deeply")
            raise SpecError([where], source)
        if not all(_is_unicode(each) for each in (value, *(name for name, _ in parts))):
            problems.append(Problem(path=format_path(path), message="must be valid Unicode text"))
        else:
            waiting += [((*path, name), part) for name, part in parts]
    return problems


def _is_unicode(value: object) -> bool:
    try:
        _ = value.encode() if isinstance(value, str) else b""
    except UnicodeEncodeError:  # half a surrogate pair, as JSON can spell it
        return False
    return True


def _cross_problems(tables: Mapping[str, Any]) -> list[Problem]:
    """What no single field shows; reads raw tables, so that it runs beside other problems."""
    schema = _readable_schema(tables.get("context", {}))
    arms = _numbered_tables(tables.get("arms"))
    return [
        *_duplicates(arms, "arms", "key"),
        *_duplicates(_numbered_tables(tables.get("candidates")), "candidates", "name"),
        *_condition_problems(arms, schema),
        *_not_if_in_problems(arms, schema),
        *_segment_problems(tables, schema),
        *_secret_only_problems(tables, arms),
        *_reward_problems(tables),
        *_missing_range(tables, arms),
    ]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _numbered_tables(value: Any) -> list[tuple[int, Mapping[str, Any]]]:
    return [(i, item) for i, item in enumerate(_list(value)) if isinstance(item, Mapping)]


def _readable_schema(raw: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for name, field in raw.items() if isinstance(raw, Mapping) else ():
        try:
            schema[name] = _FIELD.validate_python(field)
        except ValidationError:
            continue
    return schema


def _duplicates(items: list[tuple[int, Mapping[str, Any]]], table: str, name: str) -> list[Problem]:
    seen: dict[Any, int] = {}
    problems = []
    for index, item in items:
        value = item.get(name)
        if not isinstance(value, str):
            continue
        if value in seen:
            problems.append(
                Problem(
                    path=f"{table}[{index}].{name}",
                    message=f"is used before, by {table}[{seen[value]}]",
                )
            )
        seen.setdefault(value, index)
    return problems


def _condition_problems(
    arms: list[tuple[int, Mapping[str, Any]]], schema: Mapping[str, Any]
) -> list[Problem]:
    problems = []
    for index, arm in arms:
        when = arm.get("when")
        if not isinstance(when, Mapping):
            continue
        for name, condition in when.items():
            message = (
                condition_problem(name, condition, schema)
                if isinstance(condition, Mapping)
                else None
            )
            if message is not None:
                path = f"arms[{index}].when.{name}"
                problems.append(Problem(path=path, message=message))
    return problems


def _not_if_in_problems(
    arms: list[tuple[int, Mapping[str, Any]]], schema: Mapping[str, Any]
) -> list[Problem]:
    problems = []
    for index, arm in arms:
        name, sku = arm.get("not_if_in"), arm.get("sku")
        if not isinstance(name, str):
            continue
        field = schema.get(name)
        message = None
        if field is None:
            message = "is not declared under [context]"
        elif not isinstance(field, SetField):
            message = f"needs a field of type set, not a {field.type}"
        elif sku is None:
            message = "needs the arm's sku"
        elif field.values is not None and isinstance(sku, str) and sku not in field.values:
            message = "names a field whose declared values do not include the arm's sku"
        if message is not None:
            problems.append(Problem(path=f"arms[{index}].not_if_in", message=message))
    return problems


def _segment_problems(tables: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Problem]:
    report = tables.get("report")
    problems = []
    for index, segment in enumerate(
        _list(report.get("segments")) if isinstance(report, Mapping) else ()
    ):
        path = f"report.segments[{index}]"
        names = list(segment) if isinstance(segment, Mapping) else [segment]
        for name in names:
            if not isinstance(name, str):
                continue  # another problem's business
            if name not in schema:
                problems.append(Problem(path=path, message="is not declared under [context]"))
            elif isinstance(segment, Mapping):
                message = _cuts_problem(schema[name], _list(segment[name]))
                problems += [Problem(path=path, message=message)] if message else []
    return problems


def _cuts_problem(field: Any, cuts: list[Any]) -> str | None:
    if isinstance(field, SetField):
        if not all(isinstance(cut, str) for cut in cuts):
            return "lists what is not text, for a set"
        if len(cuts) > MOST_LISTED:
            return f"lists more than {MOST_LISTED} values"
        known = field.values is None or set(cuts) <= set(field.values)
        return None if known else "lists a value that is not one of the declared values"
    if field.type != "number":
        return "cuts need a number field, or listed values a set"
    numbers = all(isinstance(cut, int | float) and not isinstance(cut, bool) for cut in cuts)
    return None if numbers else "must list numbers, for a number field"


def _secret_only_problems(
    tables: Mapping[str, Any], arms: list[tuple[int, Mapping[str, Any]]]
) -> list[Problem]:
    events = tables.get("events")
    reward = tables.get("reward")
    if not isinstance(events, Mapping) or not isinstance(reward, Mapping):
        return []
    known = set(reward) - RESERVED
    for _, arm in arms:
        known |= {name for table in ("value", "cost") for name in _worths(arm.get(table))}
    return [
        Problem(path=f"events.secret_only[{index}]", message="is not an event type of [reward]")
        for index, name in enumerate(_list(events.get("secret_only")))
        if isinstance(name, str) and name not in known
    ]


def _worths(raw: Any) -> Mapping[str, Any]:
    """A value or cost as a table; a number alone is that of an accept."""
    if isinstance(raw, (int, float)):
        return {"accept": raw}
    return raw if isinstance(raw, Mapping) else {}


def _missing_range(
    tables: Mapping[str, Any], arms: list[tuple[int, Mapping[str, Any]]]
) -> list[Problem]:
    """What keeps the range from being worked out where it is not stated."""
    reward = tables.get("reward")
    if not isinstance(reward, Mapping) or "range" in reward:
        return []
    worths = [(f"{name}", weight) for name, weight in reward.items() if name not in RESERVED]
    for index, arm in arms:
        key = arm.get("key", f"arms[{index}]")
        for table in ("value", "cost"):
            worths += [(f"{name} of {key}", w) for name, w in _worths(arm.get(table)).items()]
    open_ended = [
        name
        for name, weight in worths
        if isinstance(weight, Mapping) and weight.get("amount") and weight.get("max") is None
    ]
    if not open_ended:
        return []
    return [
        Problem(
            path="reward.range",
            message=f"is missing. It is calculated only if every amount has a max: state "
            f"it, or give {', '.join(open_ended[:3])} a max, such as "
            "{ amount = 0.15, max = 200.0 }",
        )
    ]


def _reward_problems(tables: Mapping[str, Any]) -> list[Problem]:
    reward = tables.get("reward")
    if not isinstance(reward, Mapping):
        return []
    bounds, default = reward.get("range"), reward.get("default", 0.0)
    try:
        low, high = bounds  # type: ignore[misc] # anything else is another problem's business
        if not low < high:
            return [
                Problem(path="reward.range", message="must be two numbers, the lower one first")
            ]
        if not low <= default <= high:
            return [Problem(path="reward.default", message="must lie inside range")]
    except (TypeError, ValueError):
        pass
    return []

"""Read DSJSON: one JSON object a line, as Vowpal Wabbit and Azure Personalizer log decisions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bandit_platform.errors import LogError

_NAMES = ("_tag", "id", "actionid", "action_id", "payloadid", "name")
_PMF_SLACK = 1e-3
#: holds the values of a set, in the object of its field
SET_VALUES = "_values"


@dataclass(kw_only=True)
class DsjsonRows:
    """Decisions read from a DSJSON file.

    Attributes:
        records: one mapping of decision-log columns each.
        lines: the line each was read from.
        bad: line and reason of each line that could not be used.
        without_outcome: decisions that were deferred and never shown, or marked as not to be
            learned from.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)
    without_outcome: int = 0


def read_dsjson(path: Path) -> DsjsonRows:
    """All decisions of a file; lines that hold only a late reward are passed over.

    Raises:
        LogError: the file cannot be read.
    """
    found = DsjsonRows()
    try:
        with path.open(encoding="utf-8") as text:
            for number, line in enumerate(text, start=1):
                if line.strip():
                    _take(found, number, line)
    except (OSError, UnicodeDecodeError) as why:
        raise LogError(f"{path}: cannot be read: {why}") from why
    return found


def _take(found: DsjsonRows, number: int, line: str) -> None:
    try:
        event = json.loads(line)
    except ValueError:
        found.bad.append((number, "is not valid JSON"))
        return
    if not isinstance(event, dict):
        found.bad.append((number, "is not a JSON object"))
    elif "c" not in event and "RewardValue" in event:
        return
    elif event.get("_skipLearn") or _never_shown(event):
        found.without_outcome += 1
    else:
        try:
            found.records.append(_record(event))
            found.lines.append(number)
        except (KeyError, TypeError, ValueError, IndexError) as why:
            found.bad.append((number, f"is not a logged decision: {_reason(why)}"))


def _reason(why: Exception) -> str:
    return f"{why.args[0]!r} is missing" if isinstance(why, KeyError) else str(why)


def _never_shown(event: dict[str, Any]) -> bool:
    """A deferred decision without an observation that activates it."""
    if not event.get("DeferredAction"):
        return False
    return all(one.get("DeferredAction", True) for one in event.get("o", []))


def _record(event: dict[str, Any]) -> dict[str, Any]:
    if float(event.get("pdrop", 0.0)) > 0.0:
        raise ValueError("events were dropped at random (pdrop); export the log without dropping")
    actions = event["c"]["_multi"]
    names = _action_names(actions)
    shares = [float(share) for share in event["p"]]
    total = sum(shares)
    if len(shares) != len(event["a"]) or abs(total - 1.0) > _PMF_SLACK:
        raise ValueError("p is no distribution over the actions of a")
    pmf = {names[int(a) - 1]: p / total for a, p in zip(event["a"], shares, strict=True)}
    chosen = names[int(event["_label_Action"]) - 1]
    if abs(pmf[chosen] - float(event["_label_probability"])) > _PMF_SLACK:
        raise ValueError("_label_probability is not the chosen action's probability in p")
    record = {
        "arm": chosen,
        "reward": -float(event["_label_cost"]),
        "pmf": json.dumps(pmf),
        "decision_id": event.get("EventId"),
    }
    if "Timestamp" in event:
        record["decided_at"] = event["Timestamp"]
    record.update(_context(event["c"]))
    return record


def _action_names(actions: list[Any]) -> list[str]:
    """Names of the actions: their tag or id where each has its own, else their position."""
    names = [_name(action) for action in actions]
    if all(names) and len(set(names)) == len(names):
        return [str(name) for name in names]
    return [f"action-{position}" for position in range(1, len(actions) + 1)]


def _name(action: Any) -> str | None:
    if not isinstance(action, dict):
        return None
    nested = [part for part in action.values() if isinstance(part, dict)]
    for wanted in _NAMES:
        for part in (action, *nested):
            for key, value in part.items():
                if key.lower() == wanted and isinstance(value, (str, int)):
                    return str(value)
    return None


def _context(shared: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Scalar features and sets of the shared context, one level deep, as context columns."""
    for key, value in shared.items():
        if key.startswith("_"):
            continue
        if isinstance(value, dict):
            if isinstance(value.get(SET_VALUES), list):
                yield f"context.{key}", value[SET_VALUES]
                continue
            for name, inner in value.items():
                if not name.startswith("_") and isinstance(inner, (str, int, float, bool)):
                    yield f"context.{key}.{name}", inner
        elif isinstance(value, (str, int, float, bool)) or _is_set(value):
            yield f"context.{key}", value


def _is_set(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def set_object(values: Iterable[str]) -> dict[str, Any]:
    """A set as DSJSON holds it: the values for readers, one feature each for Vowpal Wabbit.

    Vowpal Wabbit reads no lists of texts, and passes over names that begin with ``_``.
    """
    return {SET_VALUES: list(values), **{f"={value}": True for value in values}}

"""A filled-in form as the tables of an experiment file, and where each table's field stands."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bandit_platform.domain.reward import RESERVED
from bandit_platform.errors import Problem
from dashboards.setup.spec_fields import LISTED_OPERATORS, OFFER_TEXTS, PARAMETERS, Fields
from dashboards.setup.spec_notation import read_list, read_number, read_text

_ARM = re.compile(r"arms-\d+-")
_NEW_VALUE = re.compile(r"(arms-\d+-)value-0-type$")
_KINDS_OF_NO_CONTENT = re.compile(
    r"-(kind|op|exploration|floor|floor_kind|floor_nothing|floor_offers|minimum_value|interactions"
    r"|learning_rate)$|^context-\d+-type$"
)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a form says.

    Attributes:
        tables: the tables of an experiment file, which need not be valid.
        problems: what is wrong with the form itself, by path of the tables.
        places: path in the tables → name of the form's field.
    """

    tables: dict[str, Any]
    problems: tuple[Problem, ...]
    places: Mapping[str, str]

    def place_of(self, path: str) -> str:
        """The field that a path belongs to, or the nearest one around it; "" for none."""
        while path:
            if path in self.places:
                return self.places[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return ""


def read_form(fields: Mapping[str, str]) -> Reading:
    """The tables that a form's fields stand for; rows left empty are left out."""
    return _Reader({name: text.replace("\r\n", "\n") for name, text in fields.items()}).reading()


@dataclass
class _Reader:
    fields: Fields
    problems: list[Problem] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        filled = [
            name
            for name, text in self.fields.items()
            if text.strip() and not _KINDS_OF_NO_CONTENT.search(name)
        ]
        arms = Counter(found[0] for name in filled if (found := _ARM.match(name)))
        self._rows = rows_of(
            name
            for name in filled
            # all that a new arm begins with
            if not ((new := _NEW_VALUE.match(name)) and arms[new[1]] == 1)
        )

    def reading(self) -> Reading:
        tables: dict[str, Any] = {}
        for name in ("key", "placement", "owner", "hypothesis"):
            self.places[name] = name
            text = self.get(name)
            kept = text if name in {"owner", "hypothesis"} else text.strip()
            if kept:
                tables[name] = kept
        self.places["arms_from"] = "arms_from"
        if self.get("arms_from").strip():
            tables["arms_from"] = self.get("arms_from").strip()
        tables["context"] = self._context()
        tables["arms"] = [self._arm(i, row, tables["context"]) for i, row in self._listed("arms")]
        tables["reward"] = self._reward()
        tables["policy"] = {
            **self._stripped("policy", "policy", ("mode", "publish_every")),
            **self._exploration("policy", "policy"),
        }
        tables["candidates"] = [
            {
                **self._stripped(f"candidates[{i}]", row, ("name",)),
                **self._exploration(f"candidates[{i}]", row),
            }
            for i, row in self._listed("candidates")
        ]
        if self.get("holdout-share").strip():
            tables["holdout"] = {"share": read_number(self.get("holdout-share"))}
        tables["events"] = {"secret_only": self._list("events.secret_only", "events-secret_only")}
        tables["request"] = {
            **self._stripped("request", "request", ("unknown",)),
            "lenient": bool(self.get("request-lenient")),
        }
        self.places["request.lenient"] = "request-lenient"
        tables["report"] = {
            **self._stripped("report", "report", ("time_zone",)),
            "segments": [
                self._segment(i, row, tables["context"])
                for i, row in self._listed("report-segments")
            ],
        }
        for path in ("holdout.share", "arms", "candidates", "holdout"):
            self.places.setdefault(path, "holdout-share" if "holdout" in path else path)
        return Reading(tables=tables, problems=tuple(self.problems), places=self.places)

    def get(self, name: str) -> str:
        return self.fields.get(name, "")

    def problem(self, path: str, message: str) -> None:
        self.problems.append(Problem(path=path, message=message))

    def rows(self, prefix: str) -> list[str]:
        """The rows into which something was typed, beside what stands there from the start."""
        return self._rows.get(prefix, [])

    def _listed(self, prefix: str) -> list[tuple[int, str]]:
        """The rows of a list with their place in the tables."""
        rows = list(enumerate(self.rows(prefix)))
        path = prefix.replace("-", ".")
        for i, row in rows:
            self.places[f"{path}[{i}]"] = f"{row}-{_FIRST[prefix]}"
        return rows

    def _named(self, path: str, prefix: str, name_of_row: str) -> list[tuple[str, str, str]]:
        """The rows of a table: (row, name, path), each name once."""
        found: list[tuple[str, str, str]] = []
        seen: set[str] = set()
        for i, row in enumerate(self.rows(prefix)):
            name = self.get(f"{row}-{name_of_row}").strip()
            here = f"{path}.{name}"
            if not name or name in seen:
                here = f"{path}[{i}]"
                self.problem(here, "is used before" if name else "is missing")
            else:
                found.append((row, name, here))
            seen.add(name)
            self.places[here] = f"{row}-{name_of_row}"
        return found

    def _stripped(self, path: str, row: str, names: tuple[str, ...]) -> dict[str, Any]:
        for name in names:
            self.places[f"{path}.{name}"] = f"{row}-{name}"
        texts = {name: self.get(f"{row}-{name}").strip() for name in names}
        return {name: text for name, text in texts.items() if text}

    def _numbers(self, path: str, row: str, names: tuple[str, ...]) -> dict[str, Any]:
        texts = self._stripped(path, row, names)
        return {name: read_number(text) for name, text in texts.items()}

    def _whole(self, path: str, row: str, names: tuple[str, ...]) -> dict[str, Any]:
        numbers = self._numbers(path, row, names)
        return {
            name: int(value) if isinstance(value, float) and value.is_integer() else value
            for name, value in numbers.items()
        }

    def _list(self, path: str, name: str) -> list[str]:
        self.places[path] = name
        try:
            return read_list(self.get(name))
        except ValueError as error:
            self.problem(path, str(error))
            return []

    def _context(self) -> dict[str, Any]:
        schema: dict[str, Any] = {}
        for row, name, path in self._named("context", "context", "name"):
            schema[name] = {
                **self._stripped(path, row, ("type",)),
                **self._numbers(path, row, ("min", "max")),
                **self._whole(path, row, ("max_items",)),
                **{
                    flag: True
                    for flag in ("required", "allow_personal")
                    if self.get(f"{row}-{flag}")
                },
            }
            self.places[f"{path}.allow_personal"] = f"{row}-allow_personal"
            values = self.get(f"{row}-values").strip()
            self.places[f"{path}.values"] = f"{row}-values"
            if values:
                none = values == "[]"
                schema[name]["values"] = (
                    [] if none else self._list(f"{path}.values", f"{row}-values")
                )
        return schema

    def _arm(self, index: int, row: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        path = f"arms[{index}]"
        return {
            **self._stripped(
                path, row, ("key", "starts_at", "ends_at", "not_if_in", "advertiser", "category")
            ),
            **self._sku(path, row),
            "features": self._features(f"{path}.features", f"{row}-features"),
            "offer": self._offer(f"{path}.offer", row),
            "when": self._conditions(f"{path}.when", f"{row}-when", schema),
            "value": self._weights(f"{path}.value", f"{row}-value"),
            "cost": self._weights(f"{path}.cost", f"{row}-cost"),
        }

    def _sku(self, path: str, row: str) -> dict[str, Any]:
        texts = self._stripped(path, row, ("sku",))
        return {name: read_text(text) for name, text in texts.items()}

    def _features(self, path: str, prefix: str) -> dict[str, Any]:
        features: dict[str, Any] = {}
        self.places[path] = f"{prefix}-0-name"
        for row, name, here in self._named(path, prefix, "name"):
            text, kind = self.get(f"{row}-value"), self.get(f"{row}-kind")
            self.places[here] = f"{row}-value"
            value: float | str = read_number(text) if kind == "number" else read_text(text)
            if kind == "boolean":
                features[name] = value == "true"
                if value not in {"true", "false"}:
                    self.problem(here, "must be true or false")
            else:
                features[name] = value
                if not text.strip():
                    self.problem(here, 'is missing (write "" for an empty text)')
                elif kind == "number" and isinstance(value, str):
                    self.problem(here, "must be a number")
        return features

    def _offer(self, path: str, row: str) -> dict[str, Any]:
        offer: dict[str, Any] = {}
        self.places[path] = f"{row}-more"
        more = self.get(f"{row}-more").strip()
        if more:
            try:
                offer = json.loads(more)
            except (ValueError, RecursionError):
                self.problem(path, "is not valid JSON")
            if not isinstance(offer, dict):
                self.problem(path, 'must be a JSON object, such as {"badge": "new"}')
                offer = {}
        for name in OFFER_TEXTS:
            self.places[f"{path}.{name}"] = f"{row}-{name}"
            text = self.get(f"{row}-{name}")
            if text and name in offer:
                self.problem(f"{path}.{name}", "stands among the other data too")
            elif text:
                offer[name] = text
        return offer

    def _conditions(
        self, path: str, prefix: str, schema: Mapping[str, Any]
    ) -> dict[str, dict[str, Any]]:
        when: dict[str, dict[str, Any]] = {}
        for i, row in enumerate(self.rows(prefix)):
            name, operator = self.get(f"{row}-field").strip(), self.get(f"{row}-op")
            here = f"{path}.{name}.{operator}"
            if not name or operator in when.get(name, {}):
                here = f"{path}[{i}]"
                self.problem(here, "is used before" if name else "is missing")
            else:
                kind = schema.get(name, {}).get("type")
                when.setdefault(name, {})[operator] = self._wanted(here, row, kind)
                self.places.setdefault(f"{path}.{name}", f"{row}-value")
            self.places[here] = f"{row}-value" if name else f"{row}-field"
        return when

    def _wanted(self, path: str, row: str, kind: str | None) -> Any:
        text = self.get(f"{row}-value").strip()
        if not text:
            self.problem(path, "is missing")
        if self.get(f"{row}-op") in LISTED_OPERATORS:
            words = [] if text == "[]" else self._list(path, f"{row}-value")
            return [_typed(word, kind) for word in words]
        if self.get(f"{row}-op") in {"gt", "gte", "lt", "lte"}:
            return read_number(text)
        return _typed(read_text(text), kind)

    def _reward(self) -> dict[str, Any]:
        reward = self._stripped("reward", "reward", ("window", "currency"))
        reward |= self._numbers("reward", "reward", ("default",))
        bounds = self._numbers("reward", "reward", ("range_low", "range_high"))
        if bounds:
            reward["range"] = [bounds.get("range_low", ""), bounds.get("range_high", "")]
        for path, name in (("range", "low"), ("range[0]", "low"), ("range[1]", "high")):
            self.places[f"reward.{path}"] = f"reward-range_{name}"
        self.places["reward"] = "reward-weights"
        for row, name, path in self._named("reward", "reward-weights", "type"):
            if name in RESERVED:
                self.problem(f"reward[{name}]", "is no event type: the word has a meaning here")
                self.places[f"reward[{name}]"] = f"{row}-type"
                continue
            reward[name] = self._weight(path, row)
        return reward

    def _weights(self, path: str, prefix: str) -> dict[str, Any]:
        """What an arm's outcomes are worth or cost."""
        rows = self._named(path, prefix, "type")
        if rows:
            self.places[path] = f"{rows[0][0]}-type"
        return {name: self._weight(here, row) for row, name, here in rows}

    def _weight(self, path: str, row: str) -> Any:
        self.places[path] = self.places[f"{path}.amount"] = f"{row}-value"
        value = read_number(self.get(f"{row}-value"))
        most = self.get(f"{row}-max").strip()
        self.places[f"{path}.max"] = f"{row}-max"
        if self.get(f"{row}-kind") != "amount":
            if most:
                self.problem(f"{path}.max", "only amounts have a maximum")
            return value
        return {"amount": value, "max": read_number(most)} if most else {"amount": value}

    def _exploration(self, path: str, row: str) -> dict[str, Any]:
        parameters = self._numbers(f"{path}.parameters", row, PARAMETERS)
        self.places[f"{path}.parameters"] = f"{row}-exploration"
        return {
            **self._stripped(path, row, ("exploration",)),
            **self._floor(path, row),
            **self._numbers(path, row, ("minimum_value", "learning_rate")),
            "interactions": self._list(f"{path}.interactions", f"{row}-interactions"),
            "parameters": parameters,
        }

    def _floor(self, path: str, row: str) -> dict[str, Any]:
        """The floor of the chosen kind; without a choice, a number where one was typed."""
        typed = "number" if self.get(f"{row}-floor").strip() else "table"
        if (self.get(f"{row}-floor_kind") or typed) == "number":
            if typed == "table":
                self.problem(f"{path}.floor", "is missing")
            return self._numbers(path, row, ("floor",))
        here = f"{path}.floor"
        self.places[here] = f"{row}-floor_nothing"
        floors = {}
        for name in ("nothing", "offers"):
            self.places[f"{here}.{name}"] = f"{row}-floor_{name}"
            text = self.get(f"{row}-floor_{name}").strip()
            if text:
                floors[name] = read_number(text)
        return {"floor": floors} if floors else {}

    def _segment(self, index: int, row: str, schema: Mapping[str, Any]) -> Any:
        path = f"report.segments[{index}]"
        name = self.get(f"{row}-field").strip()
        if name.startswith("{"):
            try:
                return json.loads(name)
            except (ValueError, RecursionError):
                self.problem(path, "is not valid JSON")
        if self.get(f"{row}-cuts").strip():
            cuts = self._list(path, f"{row}-cuts")
            self.places[path] = f"{row}-field"
            if schema.get(name, {}).get("type") == "set":
                return {name: cuts}
            return {name: [read_number(cut) for cut in cuts]}
        return name


_NUMBER = re.compile(r"-(0|[1-9]\d{0,5})(?=-)")
_FIRST = {"arms": "key", "candidates": "name", "report-segments": "field"}


def rows_of(names: Iterable[str]) -> dict[str, list[str]]:
    """Prefix → the rows under it, in order: ``arms`` → ``arms-0``, ``arms-1``."""
    numbers: dict[str, set[int]] = {}
    for name in names:
        for match in _NUMBER.finditer(name):
            numbers.setdefault(name[: match.start()], set()).add(int(match[1]))
    return {prefix: [f"{prefix}-{n}" for n in sorted(found)] for prefix, found in numbers.items()}


def _typed(text: str, kind: str | None) -> Any:
    if kind == "number":
        return read_number(text)
    if kind == "boolean" and text in {"true", "false"}:
        return text == "true"
    return text

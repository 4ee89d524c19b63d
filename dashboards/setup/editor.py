"""What the page that edits an experiment holds: one spec, as a form and as TOML beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.spec_file import parse_tables, parse_toml, toml_tables
from bandit_platform.domain.spec_text import to_toml
from bandit_platform.errors import InputError, Problem, SpecError
from dashboards.setup.spec_fields import NEW_ROWS, Fields, fields_of
from dashboards.setup.spec_reading import Reading, read_form, rows_of

FORM, TOML = "form", "toml"
_WEIGHTS = "reward-weights"
#: a hundred arms with twenty features and ten conditions each fit
MOST_FIELDS = 12_000
#: fields that an empty experiment starts with: an arm with a value, and what annoyance costs
_BLANK: Fields = {
    **fields_of({}),
    **{f"arms-0-{name}": text for name, text in NEW_ROWS["arms"].items()},
    "reward-currency": "GBP",
    "reward-weights-0-type": "dismiss",
    "reward-weights-0-kind": "fixed",
    "reward-weights-0-value": "-0.5",
}


@dataclass(frozen=True, kw_only=True)
class Typed:
    """What a browser sent: both sides, and what each was when the page was made."""

    fields: Fields
    toml: str
    fields_were: str
    toml_was: str

    def sources(self) -> tuple[str, ...]:
        """The sides that somebody edited."""
        edited = [FORM] if fields_digest(self.fields) != self.fields_were else []
        return (*edited, TOML) if text_digest(self.toml) != self.toml_was else tuple(edited)


@dataclass(frozen=True, kw_only=True)
class Editor:
    """Both sides of the page, and what is wrong with them.

    Attributes:
        fields: the form.
        toml: the text beside it.
        spec: the experiment that both describe; None while something is wrong.
        errors: form field → what is wrong with it.
        problems: everything wrong, in the order of the file, with its path.
        unplaced: what belongs to no field of the form.
        notice: what somebody must know who looks at the page again.
        unread: the text says something that the form does not show, so it counts as edited.
    """

    fields: Fields
    toml: str
    spec: ExperimentSpec | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    unplaced: tuple[Problem, ...] = ()
    notice: str = ""
    unread: bool = False

    @property
    def fields_digest(self) -> str:
        """Tells later whether the form was edited; kept open while both sides were."""
        both = self.unread and not self.problems
        return "" if both else fields_digest(self.fields)

    @property
    def toml_digest(self) -> str:
        """Tells later whether the text was edited."""
        return "" if self.unread else text_digest(self.toml)

    def value(self, name: str) -> str:
        """What stands in a field."""
        return self.fields.get(name, "")

    def rows(self, prefix: str) -> list[str]:
        """The rows of a list, such as ``arms-0``."""
        return self._rows.get(prefix, [])

    @cached_property
    def _rows(self) -> Mapping[str, list[str]]:
        return rows_of(self.fields)

    def opens(self, row: str, name: str) -> bool:
        """Whether a row shows all its fields: it is new, alone, or something is wrong in it."""
        alone = len(self.rows(row.rpartition("-")[0])) == 1
        wrong = any(place.startswith(f"{row}-") for place in self.errors)
        return alone or wrong or not self.value(f"{row}-{name}")

    def error(self, name: str) -> str:
        """What is wrong with a field; empty for nothing."""
        return self.errors.get(name, "")


def blank_editor() -> Editor:
    """The page of a new experiment."""
    return Editor(fields=_BLANK, toml=_toml(read_form(_BLANK).tables)[0])


def editor_of(spec: ExperimentSpec) -> Editor:
    """The page of an experiment as it stands."""
    tables = spec.to_file()
    text, notice = _toml(tables)
    return Editor(fields=fields_of(tables), toml=text, spec=spec, notice=notice)


def from_form(fields: Fields) -> Editor:
    """The page after the form was edited."""
    reading = read_form(fields)
    problems, spec = _validated(reading.tables, reading.problems)
    text, notice = _toml(reading.tables)
    editor = Editor(fields=fields, toml=text, spec=spec, notice=notice)
    return _judged(editor, reading, problems)


def from_toml(text: str, typed: Fields) -> Editor:
    """The page after the text was edited; text that is no TOML leaves the form as it is."""
    try:
        tables = toml_tables(text)
    except InputError as error:
        return _unreadable(text, typed, f"This {error}")
    problems, spec = _validated(tables, ())
    fields = fields_of(tables)
    if len(fields) > MOST_FIELDS:
        return _unreadable(text, typed, "This is more than an experiment holds")
    editor = Editor(fields=fields, toml=text, spec=spec, unread=spec is None)
    return _judged(editor, read_form(fields), problems)


def _unreadable(text: str, typed: Fields, why: str) -> Editor:
    problem = Problem(path="", message=why)
    return Editor(fields=typed, toml=text, problems=(problem,), unplaced=(problem,), unread=True)


def with_row(fields: Fields, prefix: str) -> Fields:
    """The form with another, empty row under a prefix such as ``arms`` or ``arms-0-when``."""
    taken = [int(row.rpartition("-")[2]) for row in rows_of(fields).get(prefix, [])]
    row = f"{prefix}-{max(taken, default=-1) + 1}"
    kind = prefix if prefix in NEW_ROWS else prefix.rpartition("-")[2]
    new = NEW_ROWS.get(kind)
    if new is None:
        return fields
    if kind == "arms" and _accepts_are_worth_the_same(fields):
        new = {"key": ""}
    return {**fields, **{f"{row}-{name}": text for name, text in new.items()}}


def _accepts_are_worth_the_same(fields: Fields) -> bool:
    """Whether an accept has a weight for all arms, so that a new arm needs no value of its own."""
    return any(fields.get(f"{row}-type") == "accept" for row in rows_of(fields).get(_WEIGHTS, []))


def without_row(fields: Fields, row: str) -> Fields:
    """The form without a row such as ``arms-0``."""
    return {name: text for name, text in fields.items() if not name.startswith(f"{row}-")}


def unchecked(fields: Fields, notice: str = "") -> Editor:
    """The page while somebody adds and removes rows: nothing is complained of yet."""
    text, trouble = _toml(read_form(fields).tables)
    return Editor(fields=fields, toml=text, notice=notice or trouble)


def text_digest(text: str) -> str:
    """Whether two texts are the same but for line breaks and trailing space."""
    return _digest(text.replace("\r\n", "\n").strip())


def fields_digest(fields: Mapping[str, str]) -> str:
    """Whether two forms are filled in alike; what is empty does not count."""
    filled = sorted(
        (name, text.replace("\r\n", "\n")) for name, text in fields.items() if text.strip()
    )
    return _digest(json.dumps(filled))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]


def _validated(
    tables: dict[str, Any], known: Sequence[Problem]
) -> tuple[list[Problem], ExperimentSpec | None]:
    """What is wrong with tables beyond what is known already; the spec when nothing is."""
    try:
        spec = parse_tables(tables)
    except SpecError as error:
        paths = {problem.path for problem in known}
        return [*known, *(p for p in error.problems if p.path not in paths)], None
    return list(known), None if known else spec


def _judged(editor: Editor, reading: Reading, problems: Sequence[Problem]) -> Editor:
    errors: dict[str, str] = {}
    unplaced = []
    for problem in problems:
        place = reading.place_of(problem.path)
        if place:
            errors.setdefault(place, plain(problem.message))
        else:
            unplaced.append(problem)
    return replace(
        editor,
        spec=None if problems else editor.spec,
        errors=errors,
        problems=tuple(Problem(path=p.path, message=plain(p.message)) for p in problems),
        unplaced=tuple(unplaced),
    )


def _toml(tables: Mapping[str, Any]) -> tuple[str, str]:
    """The text beside the form, and why there is none."""
    context = {name: _tidied(field) for name, field in tables.get("context", {}).items()}
    try:
        text = to_toml({**tables, "context": context})
        parse_toml(text)
    except SpecError:
        return text, ""
    except InputError as error:
        return "", f"This experiment can only be edited in the form: {error}."
    return text, ""


def _tidied(field: Mapping[str, Any]) -> dict[str, Any]:
    """A field of the context: its type first, without what is so by default."""
    rest = {name: value for name, value in field.items() if value is not False}
    return {"type": rest.pop("type"), **rest} if "type" in rest else rest


_PLAIN = (
    (
        "String should match pattern '^[a-z0-9]",
        "use lower-case letters, digits, - and _, at most 64",
    ),
    ("String should match pattern '^[A-Za-z]", "use letters, digits and _, a letter first"),
    ("String should match pattern '^[A-Z]{3}", "is three capital letters, such as EUR"),
    ("Input should be a valid number", "must be a number"),
    ("Input should be a valid datetime", "must be a moment such as 2026-12-01T00:00:00Z"),
    ("Input should have timezone info", "needs a time zone, such as 2026-12-01T00:00:00Z"),
    ("Tuple should have at least 1 item", "needs at least one arm besides nothing"),
    ("Input should be greater than or equal to ", "must be at least "),
    ("Input should be less than or equal to ", "must be at most "),
    ("Input should be greater than ", "must be above "),
    ("Input should be less than ", "must be below "),
)


def plain(message: str) -> str:
    """A validator's message as a shop would say it."""
    for beginning, words in _PLAIN:
        if message.startswith(beginning):
            return words + message[len(beginning) :] if words.endswith(" ") else words
    return message

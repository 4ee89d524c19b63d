"""Writing an experiment file: tables in, TOML text out, which reads back as the same tables."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bandit_platform.errors import InputError

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_EMPTY_BY_DEFAULT = frozenset({"secret_only", "segments"})
_LONGEST_MOMENT = 40
_MOMENTS = frozenset({"starts_at", "ends_at"})


def to_toml(tables: Mapping[str, Any]) -> str:
    """The text of an experiment file: one line a value, one table a part, empty parts left out.

    Args:
        tables: as :meth:`ExperimentSpec.to_file` gives them, or as somebody is typing them, so
            they need not be a valid experiment.

    Raises:
        InputError: a value (an offer's null, say) cannot stand in TOML.
    """
    try:
        return _file(tables)
    except RecursionError:
        raise InputError("its tables are nested too deeply for TOML") from None


def _file(tables: Mapping[str, Any]) -> str:
    plain, parts = [], []
    for name, value in tables.items():
        if isinstance(value, Mapping):
            parts.append(_table(f"[{_key(name)}]", value))
        elif isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
            parts += [_table(f"[[{_key(name)}]]", item) for item in value]
        elif value not in ("", [], None):
            plain.append(f"{_key(name)} = {_value(name, value)}")
    return "\n\n".join(filter(None, ["\n".join(plain), *parts])) + "\n"


def _table(header: str, values: Mapping[str, Any]) -> str:
    lines = [
        f"{_key(name)} = {_value(name, value)}"
        for name, value in values.items()
        if value is not None and value != {} and not (name in _EMPTY_BY_DEFAULT and not value)
    ]
    return "\n".join([header, *lines]) if lines or header.startswith("[[") else ""


def _value(name: str, value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case datetime():
            return value.isoformat()
        case str():
            return value if name in _MOMENTS and _is_moment(value) else _text(value)
        case Mapping():
            inner = ", ".join(f"{_key(k)} = {_value('', v)}" for k, v in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case list() | tuple():
            return f"[{', '.join(_value('', item) for item in value)}]"
        case _:
            raise InputError(f"{name or 'a value'} holds null, which TOML cannot express")


def _is_moment(text: str) -> bool:
    if len(text) > _LONGEST_MOMENT:
        return False
    try:
        read = tomllib.loads(f"moment = {text}")["moment"]
    except tomllib.TOMLDecodeError:
        return False
    return isinstance(read, datetime) and read.tzinfo is not None


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError("a text holds half a character, which TOML cannot express") from None
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

"""Turns records into JSON data by functions that are made from their fields.

``dump_json`` of pydantic looks up how to write each field of each record; a function made once from
the list of fields does the same in half the time, on the path of every decision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

Writer = Callable[[Any], dict[str, Any]]


def data_writer(record: type, **first: str) -> Writer:
    """A function that gives a dataclass's fields as JSON data, without those with their default.

    Fields that are written apart are left out.

    Args:
        record: the dataclass; its fields may hold dataclasses and enumerations.
        first: what the data begin with, beside the fields.
    """
    names: dict[str, Any] = {}
    hints = get_type_hints(record)
    required = [repr(name) + ": " + repr(value) for name, value in first.items()]
    lines = []
    for field in fields(record):
        if field.metadata.get("apart"):
            continue
        name, default = field.name, field.default
        written = _expression(hints[name], f"r.{name}", names)
        if default is MISSING:
            required.append(f"{name!r}: {written}")
            continue
        names[f"default_{name}"] = default
        compared = "is not" if default is None or isinstance(default, bool) else "!="
        lines += [f"    if r.{name} {compared} default_{name}:", f"        d[{name!r}] = {written}"]
    source = ["def write(r):", f"    d = {{{', '.join(required)}}}", *lines, "    return d"]
    exec("\n".join(source), names)  # noqa: S102 - made of names of fields, as dataclasses does it
    write: Writer = names["write"]
    return write


def _expression(hint: Any, source: str, names: dict[str, Any]) -> str:
    """The source text of a value as JSON data; adds to the names that it needs."""
    if get_origin(hint) is UnionType:
        kinds = [kind for kind in get_args(hint) if kind is not NoneType]
        return _expression(kinds[0], source, names) if len(kinds) == 1 else source
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"{source}._value_"
    if is_dataclass(hint) and isinstance(hint, type):
        names[f"write_{hint.__name__}"] = data_writer(hint)
        return f"write_{hint.__name__}({source})"
    if get_origin(hint) is tuple:
        inner = _expression(get_args(hint)[0], "each", names)
        return source if inner == "each" else f"[{inner} for each in {source}]"
    if get_origin(hint) is dict:
        inner = _expression(get_args(hint)[1], "each", names)
        return source if inner == "each" else f"{{k: {inner} for k, each in {source}.items()}}"
    return source

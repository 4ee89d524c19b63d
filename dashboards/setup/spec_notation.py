"""How numbers, texts and lists are written in one line of a form, so that they read back exactly.

A text stands as it is. Where that could be misread (it is empty, has spaces at its ends, quotes,
commas inside a list, line breaks) it stands in double quotes, as in JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

_PLAIN = re.compile(r'[^\s"\x00-\x1f\x7f]([^"\x00-\x1f\x7f]*[^\s"\x00-\x1f\x7f])?')
_ITEM = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|([^,"]*))\s*(,|$)')


def scalar_text(value: Any) -> str:
    """A number, a truth value or a text in one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number_text(value)
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def number_text(value: float) -> str:
    """A number without a superfluous ``.0``."""
    if (
        isinstance(value, float)
        and value.is_integer()
        and abs(value) < 1e15
        and repr(value) != "-0.0"
    ):
        return str(int(value))
    return repr(value)


def read_text(text: str) -> str:
    """The inverse of :func:`scalar_text` for texts; a broken quotation stands for itself."""
    text = text.strip()
    if text.startswith('"'):
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    return text


def read_number(text: str) -> float | str:
    """A number; what is none stays as it is, for the one validation there is to complain of."""
    try:
        return float(text)
    except ValueError:
        return text.strip()


def list_text(values: Sequence[Any]) -> str:
    """Values separated by commas."""
    texts = [scalar_text(value) for value in values]
    return ", ".join(json.dumps(text) if "," in text and text[0] != '"' else text for text in texts)


def read_list(text: str) -> list[str]:
    """The inverse of :func:`list_text` for texts; nothing but spaces is an empty list.

    Raises:
        ValueError: a quotation does not end, or something follows it.
    """
    items: list[str] = []
    place = 0
    while place < len(text) and text[place:].strip():
        match = _ITEM.match(text, place)
        if match is None:
            raise ValueError('put texts with commas or quotes in double quotes: "a, b", c')
        items.append(read_text(match[1] or match[2]))
        place = match.end()
        if match[3] != ",":
            break
    return items

"""Reading and sending the forms of an experiment's setup, as a browser would."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

KEY = "checkout-offers"
PAGE = f"/experiments/{KEY}/setup"
FORM_FIELD = re.compile(
    r'<input (?P<attributes>[^>]*?)name="(?P<name>[^"]+)"(?P<more>[^>]*)>'
    r'|<textarea id="[^"]*" name="(?P<area>[^"]+)"[^>]*>\n(?P<text>.*?)</textarea>'
    r'|<select id="[^"]*" name="(?P<select>[^"]+)"[^>]*>(?P<options>.*?)</select>',
    re.S,
)


def form_of(page: str) -> dict[str, str]:
    """What a browser would send of the page's editor, as it stands."""
    sent: dict[str, str] = {}
    body = page[page.index('id="editor"') :]
    locked = re.sub(r'<fieldset class="bare" disabled>.*?</fieldset>', "", body, flags=re.S)
    for found in FORM_FIELD.finditer(locked):
        if found["area"]:
            sent[found["area"]] = unescape(found["text"]).replace("\n", "\r\n")
        elif found["select"]:
            chosen = re.search(r'<option value="([^"]*)" selected', found["options"])
            first = re.search(r'<option value="([^"]*)"', found["options"])
            sent[found["select"]] = unescape((chosen or first)[1])  # type: ignore[index]
        else:
            tag = found["attributes"] + found["more"]
            value = re.search(r'value="([^"]*)"', tag)
            if " disabled" in tag or ('type="checkbox"' in tag and "checked" not in tag):
                continue
            sent[found["name"]] = unescape(value[1]) if value else ""
    return sent


def error_at(page: str, name: str) -> str:
    found = re.search(rf'<span class="error" id="{re.escape(name)}-error">(.*?)</span>', page)
    return unescape(found[1]) if found else ""


def stored(deployment: Any, key: str = KEY) -> Any:
    return deployment.platform.experiments.get(key)


def sends(team: Any, path: str, do: str = "save", **changed: str) -> Any:
    form = form_of(team.get(path).text)
    return team.post(path, data={**form, "do": do, **changed})

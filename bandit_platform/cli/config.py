"""``bandit-platform config``: the settings in force, and where each came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bandit_platform.cli.notices import tell_of_permissions, unknown_variables
from bandit_platform.cli.output import Format, FormatOption, print_json

if TYPE_CHECKING:
    from bandit_platform.settings import Effective

_MASK = "********"


def config(output: FormatOption = Format.TABLE) -> None:
    """Show every setting, its value and where it came from; secrets are masked."""
    from bandit_platform.settings import effective_settings  # noqa: PLC0415 - keeps --help fast

    effective = effective_settings()
    tell_of_permissions(effective.settings)
    shown = {name: _shown(effective, name) for name in effective.origins}
    if output is Format.JSON:
        rows = {
            name: {"value": value, "from": effective.origins[name]} for name, value in shown.items()
        }
        print_json({"settings": rows, "unknown_variables": list(unknown_variables())})
        return
    width, wide = max(map(len, shown)), max(len(str(value)) for value in shown.values())
    for name, value in shown.items():
        typer.echo(f"{name:{width}}  {value!s:{wide}}  {effective.origins[name]}")


def _shown(effective: Effective, name: str) -> str | int | float:
    value = getattr(effective.settings, name)
    if name == "secret" and value:
        return _MASK
    if name == "database_url":
        return _without_secrets(value)
    return value if isinstance(value, (int, float)) else str(value)


def _without_secrets(url: str) -> str:
    """An address without what may let somebody in: its password and its parameters' values."""
    from urllib.parse import parse_qsl, urlsplit  # noqa: PLC0415 - keeps --help fast

    head, _, _ = url.partition("?")
    scheme, mark, rest = head.partition("://")
    account, at, place = rest.rpartition("@")
    user, colon, _ = account.partition(":")
    if colon:
        account = f"{user}:{_MASK}"
    names = [name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)]
    query = "?" + "&".join(f"{name}={_MASK}" for name in names) if names else ""
    return f"{scheme}{mark}{account}{at}{place}{query}"

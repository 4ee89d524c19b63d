"""What an operator should know at the start: variables that set nothing, an open data folder."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bandit_platform.settings import Settings

#: set for processes of ours whose parent has said all this
TOLD = "BANDIT_NOTICES_TOLD"
#: read by the project's own scripts and tests
_OF_SCRIPTS = frozenset({"VENV", "REQUIRE_BROWSER", "REQUIRE_DATA"})


def unknown_variables(environment: Mapping[str, str] = os.environ) -> dict[str, str | None]:
    """Variables with our prefix that set nothing → the setting that was meant, by its spelling."""
    from bandit_platform.settings import PREFIX  # noqa: PLC0415 - keeps --help fast

    given = sorted(name for name in environment if name.startswith(PREFIX))
    if not given:
        return {}
    from dataclasses import fields  # noqa: PLC0415 - keeps --help fast
    from difflib import get_close_matches  # noqa: PLC0415

    from bandit_platform.settings import FILE_VARIABLE, Settings  # noqa: PLC0415

    known = {f"{PREFIX}{field.name.upper()}" for field in fields(Settings)} | {FILE_VARIABLE}
    ours = known | {f"{PREFIX}{name}" for name in _OF_SCRIPTS}
    short = {name.removeprefix(PREFIX): name for name in sorted(known)}
    found: dict[str, str | None] = {}
    for name in given:
        if name not in ours:
            near = get_close_matches(name.removeprefix(PREFIX), short, n=1, cutoff=0.5)
            found[name] = short[near[0]] if near else None
    return found


def tell_of_variables() -> None:
    """Name, on stderr, each variable that sets nothing."""
    if TOLD in os.environ:
        return
    for name, meant in unknown_variables().items():
        guess = f"; did you mean {meant}?" if meant else ""
        tell(f"{name} is set and is not a setting{guess}")


def tell_of_permissions(settings: Settings) -> None:
    """Say, on stderr, that others can open the data folder; whoever made it so may want that."""
    from bandit_platform.private_files import is_open  # noqa: PLC0415 - keeps --help fast

    mode = None if TOLD in os.environ else is_open(settings.data_dir)
    if mode is not None:
        folder = settings.data_dir
        tell(
            f"{folder} can be opened by other users of this machine (its mode is {mode}), and it "
            f"holds the secret and shoppers' data; close it with: chmod 700 {folder}"
        )


def tell(text: str) -> None:
    """Say something on stderr; where it cannot be written, the work goes on all the same."""
    with suppress(OSError):
        typer.echo(text, err=True)

"""``bandit-platform forget``: remove what is kept about one shopper."""

from __future__ import annotations

from typing import Annotated

import typer

from bandit_platform.cli.caller import caller
from bandit_platform.cli.output import Format, FormatOption, print_json

_KEPT = (
    "Sums over all units (counts, estimates, models) stay: they name no unit. Files that were "
    "exported, backups, and the journals of other nodes are not reached: run this on each node. "
    "Serving processes may remember a decision for a repeated request_key until they restart."
)


def forget(
    unit: Annotated[str, typer.Argument(help="The unit_id, as the shop sends it.")],
    output: FormatOption = Format.TABLE,
) -> None:
    """Remove a unit's rows from the tables and from this node's journal."""
    from bandit_platform.bootstrap import build  # noqa: PLC0415 - keeps --help fast
    from bandit_platform.settings import load_settings  # noqa: PLC0415

    settings = load_settings()
    found = build(settings).forget(unit, settings.journal_dir, caller())
    removed = {**found.rows, "journal records": found.journal}
    if output is Format.JSON:
        print_json({"unit": found.unit, "removed": removed, "kept": _KEPT})
        return
    if not any(removed.values()):
        typer.echo("Nothing was kept about this unit.")
        return
    for name, count in removed.items():
        typer.echo(f"{count:>8,}  {name}")
    typer.echo(_KEPT)

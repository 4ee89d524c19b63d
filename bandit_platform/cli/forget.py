"""``bandit-platform forget``: remove what is kept about one shopper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bandit_platform.cli.caller import caller
from bandit_platform.cli.output import Format, FormatOption, print_json

if TYPE_CHECKING:
    from bandit_platform.services.evaluation.log_writers import Kind

_KEPT = (
    "Sums over all units (counts, estimates, models) stay: they name no unit. Not reached are "
    "backups, exported files that were moved or copied (name them with --export), and the journals "
    "and exports of other nodes: run this on each node, and let backups run out. Serving processes "
    "may remember a decision for a repeated request_key until they restart."
)


def forget(
    unit: Annotated[str, typer.Argument(help="The unit_id, as the shop sends it.")],
    export: Annotated[
        list[Path] | None,
        typer.Option(help="An exported file that lies elsewhere than it was written. Repeatable."),
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Remove a unit's rows from the tables, from this node's journal and from what was exported."""
    from bandit_platform.bootstrap import build  # noqa: PLC0415 - keeps --help fast
    from bandit_platform.errors import InputError  # noqa: PLC0415
    from bandit_platform.services.evaluation.export_register import (  # noqa: PLC0415
        REGISTER,
        kind_of,
        registered_exports,
    )
    from bandit_platform.settings import load_settings  # noqa: PLC0415

    settings = load_settings()
    register = settings.data_dir / REGISTER
    written = registered_exports(register)
    named: dict[Path, Kind] = {}
    for path in export or ():
        if not path.is_file():
            raise InputError(f"--export {path}: there is no such file")
        whole = path.resolve()
        named[whole] = written[whole] if whole in written else kind_of(path)
    found = build(settings).forget(unit, settings.journal_dir, named, register, caller())
    removed = {
        **found.rows,
        "journal records": found.journal,
        "exported rows": sum(each.rows for each in found.exports),
    }
    if output is Format.JSON:
        files = [
            {"path": str(each.path), "rows": each.rows, "trouble": each.trouble}
            for each in found.exports
        ]
        print_json({"unit": found.unit, "removed": removed, "exports": files, "kept": _KEPT})
        return
    if any(removed.values()):
        for name, count in removed.items():
            typer.echo(f"{count:>8,}  {name}")
        for each in found.exports:
            if each.rows:
                typer.echo(f"{each.rows:>8,}    in {each.path}")
        typer.echo(_KEPT)
    else:
        typer.echo("Nothing was kept about this unit.")
    for each in found.exports:
        if each.trouble:
            typer.echo(f"Not searched: {each.path} {each.trouble}.", err=True)

"""``bandit-platform audit``: recompute logged distributions and draws."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from bandit_platform.cli.output import Format, FormatOption, print_json

_SHOWN = 20


def audit(
    key: Annotated[str, typer.Argument(help="The experiment's key.")],
    since: Annotated[
        datetime | None, typer.Option(help="Only decisions made since then (UTC).")
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Recompute every logged distribution and draw; exit 1 if any differs."""
    from bandit_platform.bootstrap import build  # noqa: PLC0415 - keeps --help fast
    from bandit_platform.settings import load_settings  # noqa: PLC0415

    moment = since.replace(tzinfo=since.tzinfo or UTC) if since else None
    found = build(load_settings()).audit(key, moment)
    if output is Format.JSON:
        print_json(
            {
                "experiment": found.experiment,
                "checked": found.checked,
                "recomputed": found.recomputed,
                "mismatches": [
                    {"decision_id": each.decision_id, "what": each.what}
                    for each in found.mismatches
                ],
            }
        )
    else:
        typer.echo(
            f"{found.checked} decisions checked, {found.recomputed} of them recomputed from a "
            f"model; {len(found.mismatches)} differ."
        )
        for each in found.mismatches[:_SHOWN]:
            typer.echo(f"  {each.decision_id}: {each.what}")
        if len(found.mismatches) > _SHOWN:
            typer.echo(f"  … and {len(found.mismatches) - _SHOWN} more (--format json lists all)")
    if found.mismatches:
        raise typer.Exit(1)

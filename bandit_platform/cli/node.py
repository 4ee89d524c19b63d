"""``bandit-platform node``: serving nodes, and how far their journals are in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bandit_platform.cli.caller import caller
from bandit_platform.cli.output import Format, FormatOption, print_json

if TYPE_CHECKING:
    from bandit_platform.bootstrap import Platform

app = typer.Typer(help="List and retire serving nodes.", no_args_is_help=True)


@app.command("list")
def list_all(output: FormatOption = Format.TABLE) -> None:
    """List serving nodes and how far their journals are in the database."""
    rows = [
        {
            "node_id": node.node_id,
            "host": node.host,
            "drained_until": node.drained_until.isoformat(),
            "seen_at": node.seen_at.isoformat(),
            "given_up_at": node.given_up_at.isoformat() if node.given_up_at else None,
        }
        for node in _platform().nodes()
    ]
    if output is Format.JSON:
        print_json(rows)
        return
    for row in rows:
        state = (
            f"silent, skipped since {row['given_up_at']}"
            if row["given_up_at"]
            else "maturity waits for it"
        )
        typer.echo(
            f"{row['node_id']}  {row['host']}  in the database until {row['drained_until']}  "
            f"seen {row['seen_at']}  {state}"
        )


@app.command("retire")
def retire(
    node: Annotated[str, typer.Argument(help="Host name, or the beginning of the node ID.")],
) -> None:
    """Remove a node that will not come back. Records left in its journal are not imported."""
    retired = _platform().retire_node(node, caller())
    typer.echo(f"{retired.label} is retired.")


def _platform() -> Platform:
    from bandit_platform.bootstrap import build  # noqa: PLC0415 - keeps --help fast
    from bandit_platform.settings import load_settings  # noqa: PLC0415

    return build(load_settings())

"""``bandit-platform report``: what an experiment has shown so far."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bandit_platform.cli.output import Format, FormatOption, print_json

if TYPE_CHECKING:
    from bandit_platform.services.report_records import EstimateRow, ExperimentReport


def report(
    key: Annotated[str, typer.Argument(help="The experiment's key.")],
    output: FormatOption = Format.TABLE,
) -> None:
    """Print the live report: the numbers behind the dashboard."""
    from bandit_platform.bootstrap import build  # noqa: PLC0415 - keeps --help fast
    from bandit_platform.settings import load_settings  # noqa: PLC0415

    found = build(load_settings()).report(key)
    if output is Format.JSON:
        print_json(found.to_dict())
    else:
        _print_table(found)


def _print_table(found: ExperimentReport) -> None:
    from rich.console import Console  # noqa: PLC0415 - keeps --help fast
    from rich.table import Table  # noqa: PLC0415

    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(found.finding, style="bold", markup=False)
    counts = found.counts
    console.print(
        f"{found.experiment} is {found.state}, revision {found.revision}: "
        f"{counts.decisions} decisions, {counts.immature} immature, "
        f"{counts.interactions} interactions, {counts.holdout_interactions} held out, "
        f"{counts.events} events ({counts.late} late), model version {found.model_version}.",
        markup=False,
        soft_wrap=True,
    )
    console.print(f"Programme uplift over the holdout, per unit: {_interval(found.programme)}")
    table = Table("Policy", "Value", "Uplift over nothing", "SNIPS (one look)", "ESS")
    for row in found.policies:
        table.add_row(
            row.name,
            _interval(row.value),
            _interval(row.uplift),
            _interval(row.snips),
            f"{row.ess:,.0f}",
        )
    console.print(table)


def _interval(row: EstimateRow) -> str:
    from bandit_platform.services.rounding import bounds_text, interval_decimals, rounded  # noqa: PLC0415

    if row.value is None:
        return "no data"
    if row.collecting:
        return f"{row.value:.4f} (collecting data)"
    decimals = interval_decimals(row.lower, row.upper)
    return f"{rounded(row.value, decimals)} ({bounds_text(row.lower, row.upper)})"

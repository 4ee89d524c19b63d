"""``bandit-platform report``: what an experiment has shown so far."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bandit_platform.cli.output import Format, FormatOption, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from bandit_platform.services.reporting.report_records import EstimateRow, ExperimentReport

_NOTHING = "always:nothing"


def report(
    key: Annotated[str, typer.Argument(help="The experiment's key.")],
    by: Annotated[
        str | None, typer.Option("--by", help="Cut by this field of the context.")
    ] = None,
    baseline: Annotated[
        str, typer.Option("--baseline", help="Policy that uplifts are over.")
    ] = _NOTHING,
    output: FormatOption = Format.TABLE,
) -> None:
    """Print the live report: the numbers behind the dashboard."""
    from bandit_platform.bootstrap import build  # noqa: PLC0415 - keeps --help fast
    from bandit_platform.services.reporting.baseline import check_baseline, field_of  # noqa: PLC0415
    from bandit_platform.settings import load_settings  # noqa: PLC0415

    found = build(load_settings()).whole_report(key)
    check_baseline(found, baseline)
    if by is not None:
        found = replace(found, segments=(field_of(found, by),))
    if output is Format.JSON:
        print_json({**found.to_dict(), "uplift_over": _over(found, baseline)})
    else:
        _print_tables(found, baseline, cut=by is not None)


def _over(found: ExperimentReport, baseline: str) -> dict[str, Any]:
    from bandit_platform.services.reporting.baseline import uplifts_over  # noqa: PLC0415

    rows = uplifts_over(found, baseline)
    turned = replace(found, pairwise=tuple(rows.values())).to_dict()["pairwise"]
    return {"baseline": baseline, "policies": turned}


def _print_tables(found: ExperimentReport, baseline: str, *, cut: bool) -> None:
    from rich.console import Console  # noqa: PLC0415 - keeps --help fast

    console = Console(width=None if sys.stdout.isatty() else 120, emoji=False)
    console.print(found.finding, style="bold", markup=False)
    for caution in found.cautions:
        console.print(f"Caution: {caution}", style="yellow", markup=False, soft_wrap=True)
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
    console.print(_leaderboard(found, baseline))
    if not cut:
        for table in _money(found):
            console.print(table)
    if cut:
        console.print(_segments(found))
        console.print(
            f"Uplifts over nothing, corrected for the {found.segment_looks} segments there can be.",
            markup=False,
        )


def _leaderboard(found: ExperimentReport, baseline: str) -> Table:
    from rich.markup import escape  # noqa: PLC0415 - keeps --help fast
    from rich.table import Table  # noqa: PLC0415

    from bandit_platform.services.reporting.baseline import uplifts_over  # noqa: PLC0415

    over = "nothing" if baseline == _NOTHING else escape(baseline)
    uplifts = uplifts_over(found, baseline)
    table = Table("Policy", "Value", f"Uplift over {over}", "SNIPS (one look)", "ESS")
    for row in found.policies:
        pair = uplifts.get(row.name)
        table.add_row(
            escape(row.name),
            _interval(row.value),
            "baseline"
            if row.name == baseline
            else _interval(pair.uplift)
            if pair
            else "not compared",
            "collecting data" if row.value.collecting else _interval(row.snips),
            f"{row.ess:,.0f}",
        )
    return table


def _money(found: ExperimentReport) -> list[Table]:
    """Tables of money by advertiser and by category; none if no arm declares them."""
    from rich.markup import escape  # noqa: PLC0415 - keeps --help fast
    from rich.table import Table  # noqa: PLC0415

    tables = []
    for by in ("advertiser", "category"):
        rows = [row for row in found.money if row.by == by]
        if not rows:
            continue
        table = Table(by.capitalize(), "Arms", title=f"In {found.currency or 'reward units'}")
        for heading in ("Shown", "Gross", "Taken back", "Costs", "Net"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in rows:
            amounts = (row.gross, row.taken_back, -row.costs, row.net)
            table.add_row(
                escape(row.name or f"no {by}"),
                escape(", ".join(row.arms)),
                f"{row.interactions:,}",
                *(f"{amount + 0.0:,.2f}" for amount in amounts),
            )
        tables.append(table)
    return tables


def _segments(found: ExperimentReport) -> Table:
    from rich.markup import escape  # noqa: PLC0415 - keeps --help fast
    from rich.table import Table  # noqa: PLC0415

    (field,) = found.segments
    table = Table(escape(field.field), "Policy", "Interactions", "Uplift over nothing", "ESS", "")
    for row in field.rows:
        table.add_row(
            escape(row.segment),
            escape(row.policy),
            f"{row.n:,}",
            _interval(row.corrected),
            f"{row.ess:,.0f}",
            "" if row.verdict == "ok" else row.verdict,
        )
    return table


def _interval(row: EstimateRow) -> str:
    from bandit_platform.services.reporting.rounding import bounds_text, interval_decimals, rounded  # noqa: PLC0415

    if row.value is None:
        if not row.n:
            return "no data"
        return "collecting data" if row.collecting else "cannot be evaluated"
    if row.collecting:
        return f"{row.value:.4f} (collecting data)"
    decimals = interval_decimals(row.lower, row.upper)
    return f"{rounded(row.value, decimals)} ({bounds_text(row.lower, row.upper)})"

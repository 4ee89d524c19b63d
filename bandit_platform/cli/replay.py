"""``bandit-platform replay``: a logged randomised data set through the running service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bandit_platform.cli.on_stage import (
    estimate_table,
    finish,
    on_stage,
    plain_number,
    print_json,
    print_reconciliation,
    print_shares,
    progress_bar,
    wide_console,
    with_interval,
)
from bandit_platform.cli.output import Format, FormatOption

if TYPE_CHECKING:
    from bandit_platform.services.evaluation.logged_data import LoggedData
    from bandit_platform.services.reporting.report_records import ExperimentReport, PolicyRow
    from bandit_platform.simulation.run import RunResult
    from bandit_platform.simulation.shares import ArmShares


@dataclass(frozen=True, kw_only=True)
class _ReplayResult:
    data: Path
    rows: int
    report: ExperimentReport
    run: RunResult
    shares: ArmShares
    #: fixed policy → its value on the whole log
    log_values: Mapping[str, float]


def replay(
    experiment_dir: Annotated[
        Path, typer.Argument(help="Folder with experiment.toml and columns.toml.")
    ],
    *,
    data: Annotated[Path, typer.Option("--data", help="The log: .csv, .csv.gz or .parquet.")],
    leave: Annotated[
        bool, typer.Option("--exit", help="End after the report instead of staying open.")
    ] = False,
    output: FormatOption = Format.TABLE,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Replay only so many rows from the start.")
    ] = None,
    rate: Annotated[float, typer.Option(min=1.0, help="Rows sent per second, at most.")] = 400.0,
    connections: Annotated[int, typer.Option(min=1, max=64, help="Concurrent connections.")] = 8,
) -> None:
    """Stream logged customers through the service; learn only where it agrees with the log."""
    from bandit_platform.services.evaluation.logged_data import read_logged_data  # noqa: PLC0415
    from bandit_platform.simulation.replay_visits import replay_visits  # noqa: PLC0415
    from bandit_platform.simulation.run import Show, perform  # noqa: PLC0415

    log = read_logged_data(experiment_dir, data, limit=limit)
    spec = log.spec
    show = Show(
        spec=spec,
        visits=replay_visits(log),
        size=len(log),
        noun="logged rows",
        connections=connections,
        rate=rate,
    )
    with on_stage(spec) as (platform, stage):
        run = perform(
            stage,
            show,
            counts=lambda: platform.report(spec.key).counts,
            progress=progress_bar,
        )
        result = _result(platform.report(spec.key), log, run, data)
        if output is Format.JSON:
            print_json(_to_dict(result))
        else:
            _print_table(result)
        finish(platform, stage, spec.key, run, leave=leave)


def _result(report: ExperimentReport, log: LoggedData, run: RunResult, data: Path) -> _ReplayResult:
    from bandit_platform.simulation.log_values import log_values  # noqa: PLC0415
    from bandit_platform.simulation.shares import last_quarter  # noqa: PLC0415

    return _ReplayResult(
        data=data,
        rows=len(log),
        report=report,
        run=run,
        shares=last_quarter(run.tally.served, log.spec.arm_keys),
        log_values=log_values(log),
    )


def _to_dict(result: _ReplayResult) -> dict[str, Any]:
    report = result.report
    return {
        "experiment": report.experiment,
        "data": str(result.data),
        "rows": result.rows,
        "matched": result.run.tally.activations_acknowledged,
        "finding": report.finding,
        "reward_range": report.reward_range,
        "model_version": report.model_version,
        "policies": [
            {
                "policy": row.name,
                "kind": row.kind,
                "value": estimate_table(row.value),
                "snips": estimate_table(row.snips),
                "uplift": estimate_table(row.uplift),
                "ess": row.ess,
                "whole_log": result.log_values.get(row.name),
            }
            for row in report.policies
        ],
        "arms_last_quarter": {
            "drawn": result.shares.drawn,
            "probability": result.shares.probability,
        },
        "counts": report.to_dict()["counts"],
        **result.run.to_dict(),
    }


def _print_table(result: _ReplayResult) -> None:
    from rich.table import Table  # noqa: PLC0415 - keeps --help fast

    console = wide_console()
    report = result.report
    matched = result.run.tally.activations_acknowledged
    console.print(
        f"{result.rows:,} logged rows; the service chose the logged arm for {matched:,} of them "
        "and learned from those alone."
    )
    console.print(report.finding, style="bold", markup=False)
    table = Table(title=f"Reward per decision, {report.counts.interactions:,} interactions")
    for heading in ("Policy", "Value", "Uplift over nothing", "ESS", "In the whole log"):
        table.add_column(heading, no_wrap=heading == "Policy")
    for row in report.policies:
        table.add_row(*_cells(row, result.log_values.get(row.name)))
    console.print(table)
    print_shares(console, result.shares)
    print_reconciliation(console, result.run)


def _cells(row: PolicyRow, whole_log: float | None) -> tuple[str, ...]:
    return (
        row.name,
        with_interval(row.value),
        with_interval(row.uplift, sign=True),
        f"{row.ess:,.0f}",
        "" if whole_log is None else plain_number(whole_log, row.value),
    )

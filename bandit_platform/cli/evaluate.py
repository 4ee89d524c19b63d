"""``bandit-platform evaluate``: value policies on a decision log."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bandit_platform.ope.estimate import Estimate
    from bandit_platform.ope.report import EvaluationReport


class OutputFormat(StrEnum):
    """How to print the result."""

    TABLE = "table"
    JSON = "json"


def evaluate(
    *,
    log: Annotated[Path, typer.Option("--log", help="Decision log: .csv, .csv.gz or .parquet.")],
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            help="Policy to value: logging, uniform, always:ARM, column:NAME. Repeatable.",
        ),
    ] = None,
    estimator: Annotated[
        list[str] | None,
        typer.Option("--estimator", help="Estimators, comma-separated or repeated: ips, snips."),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            help="Policy that uplifts are over. Default: always:nothing, else logging.",
        ),
    ] = None,
    reward_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            "--reward-range",
            metavar="LO HI",
            help="Least and greatest possible reward, not the observed ones. Default: 0 1.",
        ),
    ] = None,
    alpha: Annotated[
        float, typer.Option("--alpha", help="Error of all intervals together.")
    ] = 0.05,
    floor: Annotated[
        float | None,
        typer.Option(
            "--floor",
            help="Least propensity the logging policy permits. Default: the least in the log.",
        ),
    ] = None,
    experiment: Annotated[
        Path | None,
        typer.Option(
            "--experiment", help="Experiment folder whose columns.toml says how to read the log."
        ),
    ] = None,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Leave bad rows out and count them.")
    ] = False,
    output: Annotated[
        OutputFormat, typer.Option("--format", help="What to print.")
    ] = OutputFormat.TABLE,
) -> None:
    """Value policies on logged decisions, with intervals and a verdict."""
    from bandit_platform.services.evaluate import (  # noqa: PLC0415 - keeps --help fast
        EvaluationRequest,
        evaluate_log,
    )

    report = evaluate_log(
        EvaluationRequest(
            log=log,
            policies=policy or (),
            baseline=baseline,
            reward_range=reward_range,
            alpha=alpha,
            estimators=_split(estimator),
            floor=floor,
            experiment=experiment,
            skip_bad_rows=skip_bad_rows,
        )
    )
    if output is OutputFormat.JSON:
        typer.echo(json.dumps(report.to_dict(), indent=2, allow_nan=False))
    else:
        _print_table(report)


def _split(names: list[str] | None) -> tuple[str, ...]:
    return tuple(name.strip() for text in names or () for name in text.split(",") if name.strip())


def _print_table(report: EvaluationReport) -> None:
    from rich.console import Console  # noqa: PLC0415 - keeps --help fast
    from rich.table import Table  # noqa: PLC0415 - keeps --help fast

    names = list(report.policies[0].estimates)
    table = Table(title=f"{report.n} decisions, reward {_range(report)}, alpha {report.alpha:g}")
    for column in ("policy", *names, f"uplift over {report.baseline}", "ESS", "verdict"):
        table.add_column(column, justify="left" if column in ("policy", "verdict") else "right")
    for one in report.policies:
        table.add_row(
            one.policy,
            *(_cell(one.estimates[name]) for name in names),
            _cell(one.uplift.estimate),
            f"{one.diagnostics.ess:.0f}",
            one.diagnostics.verdict,
        )
    console = Console()
    console.print(table)
    for one in report.policies:
        for reason in one.diagnostics.why:
            console.print(f"{one.policy}: {reason}", markup=False)
    for note in (*_legend(report), *report.notes):
        console.print(note, markup=False)


def _range(report: EvaluationReport) -> str:
    return f"{report.reward_range.low:g} to {report.reward_range.high:g}"


def _cell(estimate: Estimate) -> str:
    point = "-" if estimate.value is None else f"{estimate.value:.4f}"
    return f"{point}\n{estimate.lower:.4f} to {estimate.upper:.4f}"


def _legend(report: EvaluationReport) -> list[str]:
    first = report.policies[0]
    kinds = {name: estimate.interval for name, estimate in first.estimates.items()}
    listed = ", ".join(f"{name}: {interval}" for name, interval in kinds.items())
    return [f"Intervals: {listed}; uplift: confidence-sequence, valid at every look."]

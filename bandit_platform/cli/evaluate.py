"""``bandit-platform evaluate``: value policies on a decision log."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bandit_platform.cli.evaluate_options import (
    BaselineOption,
    ByOption,
    EstimateOption,
    EstimatorOption,
    ExperimentOption,
    FloorOption,
    FromOption,
    HeldOutOption,
    LiveOption,
    LogOption,
    PolicyOption,
    RangeOption,
    ToOption,
    TrainedOption,
    WhereOption,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bandit_platform.ope.evaluating.report import EvaluationReport


ONLY_HERE = (
    "a running experiment is valued here, from its tables; for a cluster, write its rows with "
    "bandit-platform export --format parquet, and evaluate --log FILE --engine dask"
)


class OutputFormat(StrEnum):
    """How to print the result."""

    TABLE = "table"
    JSON = "json"
    HTML = "html"


class Engine(StrEnum):
    """Where to compute."""

    LOCAL = "local"
    DASK = "dask"


class RewardModelKind(StrEnum):
    """What predicts rewards in dm, dr and their kin."""

    LINEAR = "linear"
    VW = "vw"


class IntervalKind(StrEnum):
    """Kind of interval for IPS, DR and uplifts."""

    CONFIDENCE_SEQUENCE = "confidence-sequence"
    ASYMPTOTIC = "asymptotic-cs"
    NORMAL = "normal"


def evaluate(
    *,
    log: LogOption = None,
    live: LiveOption = None,
    since: FromOption = "",
    until: ToOption = "",
    where: WhereOption = None,
    policy: PolicyOption = None,
    estimator: EstimatorOption = None,
    interval: Annotated[
        IntervalKind, typer.Option("--interval", help="Interval of IPS, DR and uplifts.")
    ] = IntervalKind.CONFIDENCE_SEQUENCE,
    baseline: BaselineOption = None,
    reward_range: RangeOption = None,
    alpha: Annotated[
        float, typer.Option("--alpha", help="Error of all intervals together.")
    ] = 0.05,
    floor: FloorOption = None,
    by: ByOption = None,
    experiment: ExperimentOption = None,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Leave bad rows out and count them.")
    ] = False,
    estimate_propensities: EstimateOption = False,
    trained_until: TrainedOption = None,
    held_out: HeldOutOption = False,
    reward_model: Annotated[
        RewardModelKind,
        typer.Option("--reward-model", help="Predicts rewards: linear, or a VW regression."),
    ] = RewardModelKind.LINEAR,
    engine: Annotated[
        Engine, typer.Option("--engine", help="Compute here or on a dask cluster.")
    ] = Engine.LOCAL,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Address of a dask scheduler.")
    ] = None,
    output: Annotated[
        OutputFormat, typer.Option("--format", help="What to print.")
    ] = OutputFormat.TABLE,
    over_time: Annotated[
        bool, typer.Option("--over-time", help="JSON with the sequences as the rows came in.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write there instead of to the terminal.")
    ] = None,
) -> None:
    """Value policies on logged decisions, with intervals and a verdict."""
    from bandit_platform.errors import InputError  # noqa: PLC0415 - keeps --help fast
    from bandit_platform.ope.evaluating.plan import DEFAULT_ESTIMATORS, Options  # noqa: PLC0415
    from bandit_platform.services.evaluation.evaluate import (  # noqa: PLC0415
        EvaluationRequest,
        evaluate_log,
    )

    if live is not None:
        if log is not None:
            raise InputError("say either --log or --live, not both")
        if engine is Engine.DASK:
            raise InputError(ONLY_HERE)
        _refuse_log_options(
            {
                "--experiment": experiment is not None,
                "--reward-range": reward_range is not None,
                "--skip-bad-rows": skip_bad_rows,
                "--estimate-propensities": estimate_propensities,
                "--trained-until": trained_until is not None,
                "--held-out": held_out,
                "--reward-model": reward_model is not RewardModelKind.LINEAR,
                "--scheduler": scheduler is not None,
            }
        )
        chosen = Options(
            baseline=baseline,
            alpha=alpha,
            estimators=_split(estimator) or DEFAULT_ESTIMATORS,
            interval=interval.value,
            floor=floor,
            by=_split(by),
        )
        from bandit_platform.bootstrap import build  # noqa: PLC0415 - slow to import
        from bandit_platform.settings import load_settings  # noqa: PLC0415

        platform = build(load_settings())
        selection = platform.selection(live, since=since, until=until, where=where or ())
        found = platform.evaluate(live, policy or (), chosen, selection)
        _write(_rendered(found, output, over_time=over_time), out)
        return
    if since or until or where:
        raise InputError("--from, --to and --where go with --live KEY")
    if log is None:
        raise InputError("say --log FILE, or --live KEY for an experiment's own interactions")
    request = EvaluationRequest(
        log=log,
        policies=policy or (),
        baseline=baseline,
        reward_range=reward_range,
        alpha=alpha,
        estimators=_split(estimator),
        interval=interval.value,
        floor=floor,
        by=_split(by),
        experiment=experiment,
        skip_bad_rows=skip_bad_rows,
        estimate_propensities=estimate_propensities,
        trained_until=trained_until,
        held_out=held_out,
        reward_model=reward_model.value,
        engine=engine.value,
        scheduler=scheduler,
    )
    with _progress() as progress:
        report = evaluate_log(request, progress)
    _write(_rendered(report, output, over_time=over_time), out)


def _refuse_log_options(given: Mapping[str, bool]) -> None:
    """A running experiment says itself what a log's reader has to be told."""
    from bandit_platform.errors import InputError  # noqa: PLC0415 - keeps --help fast

    names = [name for name, said in given.items() if said]
    if names:
        raise InputError(f"{', '.join(names)}: for a log only, leave it out with --live")


def _split(names: list[str] | None) -> tuple[str, ...]:
    return tuple(name.strip() for text in names or () for name in text.split(",") if name.strip())


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """A counter of rows that models were applied to, on stderr from the first row on."""
    with ExitStack() as stack:
        shown: list[Callable[[int], None]] = []

        def advance(rows: int) -> None:
            if not shown:
                shown.append(stack.enter_context(_row_counter()))
            shown[0](rows)

        yield advance


@contextmanager
def _row_counter() -> Iterator[Callable[[int], None]]:
    from rich.console import Console  # noqa: PLC0415 - keeps --help fast
    from rich.progress import Progress, SpinnerColumn, TextColumn  # noqa: PLC0415 - as above

    columns = (SpinnerColumn(), TextColumn("applied models to {task.completed:,.0f} rows"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("rows", total=None)
        yield lambda rows: bar.update(task, advance=rows)


def _rendered(report: EvaluationReport, output: OutputFormat, *, over_time: bool) -> str:
    if output is OutputFormat.JSON:
        shown = report.to_dict(over_time=over_time)
        return json.dumps(shown, indent=2, allow_nan=False) + "\n"
    if output is OutputFormat.HTML:
        from bandit_platform.services.evaluation.evaluation_page import page  # noqa: PLC0415 - slow

        return page(report)
    from bandit_platform.cli.evaluate_table import table  # noqa: PLC0415 - keeps --help fast

    return table(report)


def _write(text: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8")

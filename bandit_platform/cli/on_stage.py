"""What ``demo`` and ``replay`` share: a platform in a temporary folder, progress, printing."""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from bandit_platform.bootstrap import Platform
    from bandit_platform.domain.experiment import ExperimentSpec
    from bandit_platform.services.reporting.report_records import EstimateRow
    from bandit_platform.simulation.run import RunResult
    from bandit_platform.simulation.shares import ArmShares
    from bandit_platform.simulation.stage import Stage


#: whoever watches a demonstration
_VISITOR = "visitor"


@contextmanager
def on_stage(spec: ExperimentSpec, *, shop: bool = False) -> Iterator[tuple[Platform, Stage]]:
    """A running platform in a temporary folder, with the experiment started on it.

    Its console knows where a shop will be, if there will be one.

    Ctrl-C and SIGTERM end it: everything is stopped and removed, and the status is 130.
    """
    from bandit_platform.bootstrap import build  # noqa: PLC0415 - keeps --help fast
    from bandit_platform.domain.access import Role  # noqa: PLC0415
    from bandit_platform.domain.lifecycle import Action  # noqa: PLC0415
    from bandit_platform.simulation import stage as stages  # noqa: PLC0415

    try:
        with (
            stages.stopped_by_signals(),
            tempfile.TemporaryDirectory(prefix="bandit-platform-") as name,
        ):
            settings = stages.stage_settings(Path(name), shop=shop)
            platform = build(settings)
            platform.apply_experiment(spec)
            platform.change_state(spec.key, Action.START)
            key = platform.keys.create(role=Role.SERVER, label="the simulated shop").text
            platform.users.create(_VISITOR, Role.ADMIN)
            with stages.Stage(settings, Path(name), key=key) as stage:
                yield platform, stage
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@contextmanager
def progress_bar(what: str, size: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error; inside, a function told how much is done."""
    from rich.console import Console  # noqa: PLC0415 - keeps --help fast
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=size)
        yield lambda done: progress.update(task, completed=done)


def finish(
    platform: Platform, stage: Stage, experiment: str, result: RunResult, *, leave: bool
) -> None:
    """End the command: keep the dashboard open until Ctrl-C unless told to leave.

    The address it prints signs one browser in, as an administrator of the temporary platform.

    Raises:
        typer.Exit: with status 1 when the counts do not reconcile.
    """
    if not leave:
        from bandit_platform.services.people.users import Purpose  # noqa: PLC0415 - keeps --help fast

        link = platform.users.link(_VISITOR, purpose=Purpose.SIGN_IN)
        address = f"{stage.settings.console_address}{link.path}?next=/experiments/{experiment}"
        typer.echo(
            f"The dashboard is open at {address}; the link signs one browser in, once. "
            "Press Ctrl-C to end.",
            err=True,
        )
        try:
            while True:
                stage.check()
                time.sleep(0.5)
        except KeyboardInterrupt:
            typer.echo("Stopping.", err=True)
    if not result.reconciles:
        raise typer.Exit(1)


def print_json(data: Mapping[str, Any]) -> None:
    """Print a result; a bound that is not finite becomes null, because JSON has none."""
    typer.echo(json.dumps(_finite(data), indent=2, allow_nan=False))


def estimate_table(estimate: EstimateRow) -> dict[str, Any]:
    """An estimate as a JSON-ready table."""
    return asdict(estimate)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def wide_console() -> Console:
    """A console for tables: the terminal's width, or wide enough where there is none."""
    from rich.console import Console  # noqa: PLC0415 - keeps --help fast

    return Console(width=None if sys.stdout.isatty() else 120, highlight=False, emoji=False)


def with_interval(estimate: EstimateRow, *, sign: bool = False) -> str:
    """An estimate with its bounds, rounded by their distance."""
    from bandit_platform.services.reporting.rounding import (  # noqa: PLC0415 - keeps --help fast
        bounds_text,
        interval_decimals,
        rounded,
    )

    if estimate.value is None:
        return "no data"
    decimals = interval_decimals(estimate.lower, estimate.upper)
    value = rounded(estimate.value, decimals, sign=sign)
    if estimate.collecting:
        return f"{value} (collecting data)"
    return f"{value} ({bounds_text(estimate.lower, estimate.upper, sign=sign)})"


def plain_number(value: float, estimate: EstimateRow, *, sign: bool = False) -> str:
    """A number rounded as the estimate beside it, but never to fewer than three decimals."""
    from bandit_platform.services.reporting.rounding import interval_decimals, rounded  # noqa: PLC0415

    return rounded(value, max(3, interval_decimals(estimate.lower, estimate.upper)), sign=sign)


def print_shares(console: Console, shares: ArmShares) -> None:
    """Print which arms the last quarter of the policy traffic got."""
    listed = ", ".join(f"{arm} {share:.0%}" for arm, share in shares.probability.items())
    console.print(f"Arms in the last quarter ({shares.decisions:,} decisions): {listed}")


def print_reconciliation(console: Console, result: RunResult) -> None:
    """Print whether everything sent is accounted for, and every count behind it."""
    for check in result.checks:
        mark = "agrees" if check.ok else f"DOES NOT AGREE, expected {check.expected:,}"
        console.print(f"  {check.what}: {check.found:,} ({mark})")
    for failure, times in result.tally.failures.most_common():
        console.print(f"  failed {times:,} times: {failure}", markup=False)
    counts = result.counts
    kinds = ", ".join(f"{kind} {times:,}" for kind, times in counts.by_reason.items() if times)
    console.print(f"  decisions by reason: {kinds}; events late: {counts.late:,}")
    verdict = "Everything sent is accounted for." if result.reconciles else "COUNTS DO NOT AGREE."
    seconds = result.seconds
    console.print(
        f"{verdict} Starting took {seconds.starting:.0f} s, sending {seconds.visiting:.0f} s, "
        f"maturing and learning {seconds.settling:.0f} s more."
    )

"""``bandit-platform export``: an experiment's interactions as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    key: Annotated[str, typer.Argument(help="The experiment's key.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    kind: Annotated[str, typer.Option("--format", help="parquet, csv or dsjson.")] = "parquet",
    targets: Annotated[
        bool, typer.Option(help="Add what each policy would have given the logged arm.")
    ] = False,
) -> None:
    """Write the matured decisions with their rewards as a decision log, for any tool to read."""
    from rich.console import Console  # noqa: PLC0415 - keeps --help fast
    from rich.progress import Progress, SpinnerColumn, TextColumn  # noqa: PLC0415

    from bandit_platform.bootstrap import build  # noqa: PLC0415
    from bandit_platform.errors import InputError  # noqa: PLC0415
    from bandit_platform.services.evaluation.export_register import REGISTER  # noqa: PLC0415
    from bandit_platform.services.evaluation.log_writers import Kind  # noqa: PLC0415
    from bandit_platform.settings import load_settings  # noqa: PLC0415

    if kind not in set(Kind):
        raise InputError(f"--format must be one of {', '.join(Kind)}")
    if not out.parent.is_dir():
        raise InputError(f"{out.parent} is no folder")
    written = 0
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} interactions"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("export")
        settings = load_settings()
        platform = build(settings)
        low, high = platform.experiments.get(key).spec.reward_range
        register = settings.data_dir / REGISTER
        for written in platform.export(key, out, Kind(kind), targets=targets, register=register):
            progress.update(task, completed=written)
    typer.echo(
        f"{written:,} interactions of {key} are in {out}; value any policy on them with\n"
        f"bandit-platform evaluate --log {out} --reward-range {low:g} {high:g} --policy uniform"
    )

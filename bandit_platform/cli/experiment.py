"""``bandit-platform experiment``: experiments as files, and their life."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bandit_platform.cli.caller import caller
from bandit_platform.cli.output import Format, FormatOption, print_json

if TYPE_CHECKING:
    from bandit_platform.bootstrap import Platform
    from bandit_platform.storage.experiments import StoredExperiment

app = typer.Typer(help="Apply, list and run experiments.", no_args_is_help=True)
Key = Annotated[str, typer.Argument(help="The experiment's key.")]


@app.command("apply")
def apply(
    paths: Annotated[list[Path], typer.Argument(help="experiment.toml files or their folders.")],
    output: FormatOption = Format.TABLE,
) -> None:
    """Make experiments what their files say: all or none. Doing it twice changes nothing."""
    from bandit_platform.services.launching.spec_files import read_spec_files  # noqa: PLC0415 - fast --help

    specs = read_spec_files(paths)
    applied = _platform().experiments.apply_all(specs, caller())
    if output is Format.JSON:
        print_json(
            [
                {
                    "experiment": each.experiment,
                    "outcome": each.outcome,
                    "revision": each.revision,
                    "state": each.state,
                    "changes": [str(change) for change in each.changes],
                }
                for each in applied
            ]
        )
        return
    for each in applied:
        typer.echo(f"{each.experiment}: {each.outcome}, revision {each.revision}, {each.state}")
        for change in each.changes:
            typer.echo(f"  {change}")
        if each.state == "draft":
            typer.echo(f"  next: bandit-platform experiment start {each.experiment}")


@app.command("list")
def list_all(output: FormatOption = Format.TABLE) -> None:
    """List every experiment."""
    service = _platform().experiments
    experiments, states = service.all(), service.states()
    unread = {key: states[key] for key in states.keys() - {each.spec.key for each in experiments}}
    if output is Format.JSON:
        told = [
            {"experiment": key, "state": state, "unread": True} for key, state in unread.items()
        ]
        print_json([*(_summary(each) for each in experiments), *told])
        return
    if not states:
        typer.echo("No experiments yet. Apply one: bandit-platform experiment apply PATH")
    for each in experiments:
        typer.echo(
            f"{each.spec.key}  {each.state}  revision {each.revision}  on {each.spec.placement}"
        )
    for key, state in sorted(unread.items()):
        typer.echo(f"{key}  {state}  cannot be read by this version; it can be paused and stopped")


@app.command("show")
def show(key: Key, output: FormatOption = Format.TABLE) -> None:
    """Show one experiment with its whole definition, defaults included."""
    stored = _platform().experiments.get(key)
    if output is Format.JSON:
        print_json({**_summary(stored), "spec": stored.spec.to_file()})
        return
    for name, value in _summary(stored).items():
        typer.echo(f"{name}: {value}")
    print_json(stored.spec.to_file())


@app.command("start")
def start(key: Key) -> None:
    """Let shoppers outside the holdout get arms."""
    _change(key, "start")


@app.command("pause")
def pause(key: Key) -> None:
    """Give every shopper nothing for a while."""
    _change(key, "pause")


@app.command("resume")
def resume(key: Key) -> None:
    """Go on after a pause."""
    _change(key, "resume")


@app.command("stop")
def stop(key: Key) -> None:
    """Give every shopper nothing for good."""
    _change(key, "stop")


@app.command("archive")
def archive(key: Key) -> None:
    """Take the experiment off the lists; its data stay."""
    _change(key, "archive")


def _change(key: str, name: str) -> None:
    from bandit_platform.domain.lifecycle import CONSEQUENCES, Action  # noqa: PLC0415 - fast --help

    action = Action(name)
    state = _platform().change_state(key, action, caller())
    typer.echo(f"{key} is {state}. {CONSEQUENCES[action]}")


def _platform() -> Platform:
    from bandit_platform.bootstrap import build  # noqa: PLC0415 - keeps --help fast
    from bandit_platform.settings import load_settings  # noqa: PLC0415

    return build(load_settings())


def _summary(stored: StoredExperiment) -> dict[str, object]:
    return {
        "experiment": stored.spec.key,
        "placement": stored.spec.placement,
        "state": str(stored.state),
        "revision": stored.revision,
        "started_at": stored.started_at.isoformat() if stored.started_at else None,
        "stopped_at": stored.stopped_at.isoformat() if stored.stopped_at else None,
    }

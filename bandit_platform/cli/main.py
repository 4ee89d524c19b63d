"""``bandit-platform``: every command, and what its errors mean for the shell."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bandit_platform import __version__
from bandit_platform.cli import (
    answering,
    audit,
    config,
    demo,
    deployment,
    evaluate,
    experiment,
    export,
    forget,
    key,
    node,
    notices,
    processes,
    replay,
    report,
    user,
)
from bandit_platform.errors import (
    BanditPlatformError,
    ConflictError,
    EvaluationError,
    InputError,
    NotFoundError,
    SpecError,
)

app = typer.Typer(
    name="bandit-platform",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def begin(
    version: Annotated[  # noqa: ARG001 - told before anything else is looked at
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True, help="Show the version and end."
        ),
    ] = False,
) -> None:
    """Contextual-bandit experiments for offers in the purchase flow."""
    notices.tell_of_variables()


app.command("up")(processes.up)
app.command("serve")(processes.serve)
app.command("console")(processes.console)
app.command("work")(processes.work)
app.command("ingest")(processes.ingest)
app.command("answer", hidden=True)(answering.answer)
app.command("migrate")(processes.migrate)
app.command("config")(config.config)
app.add_typer(experiment.app, name="experiment")
app.command("promote")(deployment.promote)
app.command("ramp")(deployment.ramp)
app.command("hold")(deployment.hold)
app.command("pin")(deployment.pin)
app.command("release")(deployment.release)
app.command("roll-back")(deployment.roll_back)
app.command("deployments")(deployment.list_deployments)
app.add_typer(key.app, name="key")
app.add_typer(user.app, name="user")
app.add_typer(node.app, name="node")
app.command("report")(report.report)
app.command("audit")(audit.audit)
app.command("export")(export.export)
app.command("forget")(forget.forget)
app.command("evaluate")(evaluate.evaluate)
app.command("demo")(demo.demo)
app.command("replay")(replay.replay)


def main() -> None:
    """Run a command; exit 0 when done, 1 for a failed check or service, 2 for bad input."""
    try:
        app()
    except SpecError as error:
        for problem in error.problems:
            sys.stderr.write(f"{error.source}: {problem}\n")
        sys.exit(2)
    except (InputError, NotFoundError, ConflictError, EvaluationError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    except BanditPlatformError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise  # no file or folder that somebody could mend
        sys.stderr.write(f"{error.filename}: cannot be used: {error.strerror}\n")
        sys.exit(1)

"""The processes: serve, console, work, ingest, and up, which is all of them on one machine."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import time
from contextlib import closing, suppress
from importlib import import_module
from threading import Event
from typing import TYPE_CHECKING

import typer

from bandit_platform.cli.notices import TOLD, tell, tell_of_permissions
from bandit_platform.loading import loading
from bandit_platform.parent import be_parent, end_with_parent

if TYPE_CHECKING:
    from bandit_platform.settings import Settings

#: how long to wait for a port that processes which are just ending still hold
_FREE_SECONDS = 1.0
_STEP_SECONDS = 0.05


def serve() -> None:
    """Answer shops: decisions and events."""
    end_with_parent()
    settings = _settings()
    _demand_secret(settings)
    _share_counts(settings)
    _run_web("decision_app:hosted_app", settings, settings.host, settings.port, settings.workers)


def console() -> None:
    """Show dashboards and experiments to the team."""
    end_with_parent()
    settings = _settings()
    _demand_free(settings.console_host, settings.console_port)
    _offer_first_link(settings)
    _run_web("apps:hosted_app", settings, settings.console_host, settings.console_port, 1)


def work() -> None:
    """Ingest, mature, learn and publish; answer questions in a process beside it."""
    end_with_parent()
    with loading():
        from bandit_platform.cli.answering import Answering  # noqa: PLC0415 - keeps --help fast
        from bandit_platform.services.working.rounds import (  # noqa: PLC0415
            once_possible,
            spare_what_is_loaded,
        )
        from bandit_platform.working import build_questions, build_worker  # noqa: PLC0415

    settings = _settings()
    stop = _stopped_by_signals()
    worker = once_possible(lambda: build_worker(settings), stop)
    questions = once_possible(lambda: build_questions(settings), stop)
    if worker is None or questions is None:
        return
    spare_what_is_loaded()
    answering = Answering(questions).start(stop)
    worker.run(stop, settings.work_seconds)
    answering.join()


def ingest() -> None:
    """Move this node's journal into the database (on serving nodes without a worker)."""
    end_with_parent()
    with loading():
        from bandit_platform.errors import UnavailableError  # noqa: PLC0415 - keeps --help fast
        from bandit_platform.services.working.rounds import (  # noqa: PLC0415
            go_round,
            once_possible,
            spare_what_is_loaded,
        )
        from bandit_platform.working import build_ingest  # noqa: PLC0415

    settings = _settings()
    stop = _stopped_by_signals()
    mover = once_possible(lambda: build_ingest(settings), stop)
    if mover is not None:
        spare_what_is_loaded()
        go_round(mover.round, stop, settings.work_seconds)
        with suppress(UnavailableError):
            mover.finish()


def migrate() -> None:
    """Bring the database's tables to the newest form."""
    from bandit_platform.storage.database import Database  # noqa: PLC0415 - keeps --help fast

    Database(_settings().database).migrate()
    typer.echo("The tables are up to date.")


def up() -> None:
    """Run serve, console and work on this machine until interrupted."""
    from bandit_platform.cli.supervision import Household  # noqa: PLC0415 - keeps --help fast
    from bandit_platform.logs import configure_logs  # noqa: PLC0415

    settings = _settings()
    _demand_two_ports(settings)
    stop = _stopped_by_signals()
    command = [sys.executable, "-m", "bandit_platform"]
    environment = {**os.environ, TOLD: "1"}
    be_parent(environment)
    household = Household(
        {name: [*command, name] for name in ("serve", "console", "work")},
        environment,
        last=("work",),  # it takes over what the others append until their end
        drain_seconds=settings.drain_seconds,
    )
    configure_logs()
    typer.echo(f"Shops ask      {settings.service_address}/v1/…")
    typer.echo(f"The console is {settings.console_address}/")
    failed = household.run(stop)
    if failed is not None:
        typer.echo(f"{failed} ended, so everything was stopped; its message is above.", err=True)
        raise typer.Exit(1)


def _settings() -> Settings:
    from bandit_platform.settings import load_settings  # noqa: PLC0415 - keeps --help fast

    settings = load_settings()
    tell_of_permissions(settings)
    return settings


def _demand_secret(settings: Settings) -> None:
    """Check the secret before any serving process starts; skipped if the database is away.

    Raises:
        SecretError: the database belongs to another secret.
    """
    with loading():
        from bandit_platform.serving import check_secret  # noqa: PLC0415 - keeps --help fast

    check_secret(settings)


def _offer_first_link(settings: Settings) -> None:
    """Where nobody can sign in yet, print the link that names the first administrator.

    This waits for a database that does not answer, since the console cannot begin without.
    """
    from bandit_platform.bootstrap import build_console  # noqa: PLC0415 - keeps --help fast
    from bandit_platform.errors import UnavailableError  # noqa: PLC0415
    from bandit_platform.services.working.rounds import once_possible  # noqa: PLC0415

    platform = once_possible(lambda: build_console(settings), Event())
    made = None
    if platform is not None:
        with closing(platform.database), suppress(UnavailableError):
            made = platform.users.first_link()
    if made is not None:
        ends = made.expires_at.isoformat(timespec="minutes")
        tell(
            "Nobody can sign in to the console yet. Name the first administrator, once, until "
            f"{ends}, at\n  {settings.console_address}{made.path}"
        )


def _run_web(factory: str, settings: Settings, host: str, port: int, workers: int) -> None:
    """Listen. HTTP/1 has one request a connection in work, so connections bound the queue.

    What the application imports is imported here, before the server forks its processes: they
    share it, and one that was killed is back in the time that the rest of its start takes.
    """
    from bandit_platform.cli.server import Server  # noqa: PLC0415
    from bandit_platform.logs import configure_logs  # noqa: PLC0415

    _demand_free(host, port)
    with loading():
        import_module(f"bandit_platform.web.{factory.partition(':')[0]}")
    be_parent()
    configure_logs()
    Server(
        f"bandit_platform.web.{factory}",
        host=host,
        port=port,
        workers=workers,
        connections=settings.connections,
        drain_seconds=settings.drain_seconds,
    ).serve()


def _demand_two_ports(settings: Settings) -> None:
    from bandit_platform.errors import InputError  # noqa: PLC0415 - keeps --help fast

    if settings.port == settings.console_port and settings.port:
        raise InputError(
            f"port and console_port are both {settings.port}; give one of them another"
        )


def _demand_free(host: str, port: int) -> None:
    from bandit_platform.errors import UnavailableError  # noqa: PLC0415 - keeps --help fast

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deadline = time.monotonic() + _FREE_SECONDS
    while True:
        try:
            socket.create_server((host, port), family=family).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(_STEP_SECONDS)
                continue
            why = str(error.strerror).partition(" (")[0]
            raise UnavailableError(
                f"cannot listen on {host}:{port}: {why}; "
                "give another address or port in the settings"
            ) from None
        return


def _share_counts(settings: Settings) -> None:
    """Let the processes about to start count into one folder, so that each can tell of all."""
    from bandit_platform.private_files import make_folder  # noqa: PLC0415 - keeps --help fast

    folder = settings.data_dir / "metrics"
    make_folder(folder)
    for old in folder.glob("*.db"):
        old.unlink(missing_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def _stopped_by_signals() -> Event:
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.bootstrap import build, build_serving
from bandit_platform.cli import processes
from bandit_platform.domain.lifecycle import Action
from bandit_platform.errors import OutdatedError, StorageError
from bandit_platform.logs import configure_logs
from bandit_platform.services.serving.query import Query
from bandit_platform.services.serving.registry import Registry
from bandit_platform.settings import Settings
from bandit_platform.storage.database import Database

pytestmark = pytest.mark.processes


@pytest.fixture
def blank_postgres(postgres_server: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A PostgreSQL database without any table, as the settings name it."""
    import psycopg  # noqa: PLC0415 - only tests on PostgreSQL pay for it

    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS blank WITH (FORCE)")
        connection.execute("CREATE DATABASE blank")
    url: str = postgres_server.get_uri("blank")
    monkeypatch.setenv("BANDIT_PLATFORM_DATABASE_URL", url)
    return url


def test_postgres_wants_to_be_migrated_first(
    run: Any, blank_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANDIT_PLATFORM_CONSOLE_PORT", "0")
    for command in (("experiment", "list"), ("report", "x"), ("work",), ("ingest",), ("console",)):
        ran = run(*command)
        assert (ran.status, ran.out) == (1, "")
        assert ran.err == "the tables are not up to date; run: bandit-platform migrate\n"
    with closing(Database(blank_postgres)) as database, pytest.raises(OutdatedError):
        Registry(database).refresh()
    for _ in range(2):  # the second time there is nothing to do
        ran = run("migrate")
        assert (ran.status, ran.out, ran.err) == (0, "The tables are up to date.\n", "")
    with closing(Database(blank_postgres)) as database:
        assert database.is_current()
    assert json.loads(run("experiment", "list", "--format", "json").out) == []


def test_sqlite_is_migrated_at_first_use(run: Any, tmp_path: Path) -> None:
    assert run("experiment", "list").status == 0
    url = f"sqlite:///{tmp_path / 'data' / 'bandit-platform.sqlite3'}"
    with closing(Database(url)) as database:
        assert database.is_current()
    assert run("migrate").status == 0


def test_the_console_waits_for_its_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = []

    def fail_first(settings: Settings, *rest: Any) -> Any:
        tried.append(settings)
        if len(tried) < 3:
            raise StorageError("the database: it is away")
        return build(settings, *rest)

    monkeypatch.setattr("bandit_platform.bootstrap.build", fail_first)
    monkeypatch.setattr("bandit_platform.services.working.rounds._FIRST_SECONDS", 0.001)
    configure_logs()
    processes._offer_first_link(Settings(data_dir=tmp_path))
    told = capsys.readouterr().err
    assert len(tried) == 3
    assert told.count("the database: it is away") == 2
    assert "/link/" in told
    assert "Traceback" not in told


def test_a_database_that_does_not_answer_is_no_fault_of_the_input(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANDIT_PLATFORM_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    ran = run("experiment", "list")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("the database: ")
    assert "Traceback" not in ran.err


def decided(settings: Settings, spec: Any, count: int) -> None:
    """Decisions in the journal of a node."""
    platform = build(settings)
    platform.apply_experiment(spec)
    platform.change_state(spec.key, Action.START)
    serving = build_serving(settings)
    for number in range(count):
        query = Query(
            unit_id=f"u{number}",
            context={},
            request_key=None,
            eligible_arms=None,
            excluded_arms=(),
            defer_activation=False,
        )
        serving.decider.decide(spec.key, query)
    serving.registry.close()
    serving.journal.close()
    platform.database.close()


@contextmanager
def signalled_when(holds: Any) -> Any:
    """SIGTERM to this process as soon as something holds."""

    def wait() -> None:
        deadline = time.monotonic() + 30
        while not holds() and time.monotonic() < deadline:
            time.sleep(0.02)
        signal.raise_signal(signal.SIGTERM)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("command", ["ingest", "work"])
def test_the_journal_is_taken_over_until_a_signal_comes(
    run: Any, tmp_path: Path, spec: Any, command: str
) -> None:
    settings = Settings(data_dir=tmp_path / "data", refresh_seconds=3600.0)
    decided(settings, spec, 20)
    journal = settings.journal_dir
    with signalled_when(lambda: not list(journal.glob("*.jsonl"))):
        ran = run(command)
    assert ran.status == 0
    platform = build(settings)
    counts = platform.report(spec.key).counts
    assert (counts.decisions, counts.immature + counts.holdout_interactions) == (20, 20)
    platform.database.close()


@pytest.mark.parametrize("command", [("report", "x"), ("serve",)])
def test_a_folder_that_cannot_be_used_is_named(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: tuple[str, ...]
) -> None:
    folder = tmp_path / "file" / "data"
    folder.parent.touch()
    monkeypatch.setenv("BANDIT_PLATFORM_DATA_DIR", str(folder))
    ran = run(*command)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.endswith(": cannot be used: Not a directory\n")
    assert ran.err.startswith(str(folder))


def test_up_wants_two_ports(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANDIT_PLATFORM_PORT", "18080")
    monkeypatch.setenv("BANDIT_PLATFORM_CONSOLE_PORT", "18080")
    ran = run("up")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "port and console_port are both 18080; give one of them another\n"


@pytest.mark.parametrize("command", ["serve", "console"])
def test_an_address_that_is_taken_is_named(
    run: Any, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("BANDIT_PLATFORM_PORT", str(port))
        monkeypatch.setenv("BANDIT_PLATFORM_CONSOLE_PORT", str(port))
        ran = run(command)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == (
        f"cannot listen on 127.0.0.1:{port}: Address already in use; "
        "give another address or port in the settings\n"
    )


def running_in(folder: Path) -> list[str]:
    """Process ids of programs that were given the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (entry / "environ").read_bytes():
                found.append(entry.name)
        except OSError:
            continue
    return found


def test_up_stops_everything_when_one_part_ends(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports = [each.getsockname()[1] for each in (taken, free)]
        settings = Settings(data_dir=tmp_path / "data", port=ports[0], console_port=ports[1])
        ended = subprocess.run(
            [sys.executable, "-m", "bandit_platform", "up"],
            env=settings.to_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 1
    lines = ended.stderr.splitlines()
    assert f"cannot listen on 127.0.0.1:{ports[0]}: " in ended.stderr
    assert "serve ended, so everything was stopped; its message is above." in lines
    assert running_in(tmp_path) == []


def test_up_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        ports = [each.getsockname()[1] for each in (one, two)]
    settings = Settings(data_dir=tmp_path / "data", port=ports[0], console_port=ports[1])
    command = [sys.executable, "-m", "bandit_platform", "up"]
    with subprocess.Popen(command, env=settings.to_environment(), stdout=subprocess.DEVNULL) as up:
        try:
            for port in ports:
                assert ready(port), f"port {port} is not ready"
        finally:
            up.terminate()
        assert up.wait(30) == 0
    assert running_in(tmp_path) == []


def ready(port: int) -> bool:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        with suppress(OSError, HTTPException):
            connection = HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/readyz")
            status = connection.getresponse().status
            connection.close()
            if status == 200:
                return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize(
    "command",
    [
        ("serve",),
        ("console",),
        ("work",),
        ("ingest",),
        ("audit", "checkout-offers"),
        ("forget", "u1"),
    ],
)
def test_another_secret_is_refused_with_what_to_do(
    run: Any, tmp_path: Path, spec: Any, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    settings = Settings(data_dir=tmp_path / "data", refresh_seconds=3600.0)
    decided(settings, spec, 3)
    monkeypatch.setenv("BANDIT_PLATFORM_SECRET", "another secret of more than 32 characters")
    monkeypatch.setenv("BANDIT_PLATFORM_PORT", "0")
    monkeypatch.setenv("BANDIT_PLATFORM_CONSOLE_PORT", "0")
    ran = run(*command)
    assert (ran.status, ran.out) == (2, "")
    (line,) = ran.err.splitlines()
    assert line.startswith("the database was created with a different secret (fingerprint ")
    assert "BANDIT_PLATFORM_SECRET" in line

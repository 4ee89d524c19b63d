"""What each port answers, and what it does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.bootstrap import build_serving
from bandit_platform.errors import StorageError
from bandit_platform.settings import Settings
from bandit_platform.web.apps import create_decision_app

KEY = "checkout-offers"
SHOP = {
    ("POST", f"/v1/experiments/{KEY}/decisions"),
    ("POST", "/v1/decisions/x/activate"),
    ("POST", "/v1/events"),
}
CONSOLE = {
    ("GET", "/"),
    ("GET", f"/experiments/{KEY}"),
    ("GET", "/static/dashboard.css"),
    ("GET", "/v1/experiments"),
    ("POST", "/v1/experiments"),
    ("GET", f"/v1/experiments/{KEY}"),
    ("PUT", f"/v1/experiments/{KEY}"),
    ("POST", f"/v1/experiments/{KEY}/start"),
    ("GET", f"/v1/experiments/{KEY}/report"),
    ("GET", f"/v1/experiments/{KEY}/decisions/x"),
}


def answers(app: Any, refusing: Any, method: str, path: str) -> Any:
    headers = {"Authorization": f"Bearer {refusing.admin_key}"}
    return app.test_client().open(path, method=method, headers=headers)


@pytest.mark.parametrize(("method", "path"), sorted(CONSOLE))
def test_the_shop_s_port_exposes_nothing_of_the_console(
    refusing: Any, method: str, path: str, refused: Any
) -> None:
    assert answers(refusing.console, refusing, method, path).status_code != 405
    answer = answers(refusing.shop, refusing, method, path)
    refused(answer, 404, "not-found")


@pytest.mark.parametrize(("method", "path"), sorted(SHOP))
def test_the_console_s_port_decides_nothing(
    refusing: Any, method: str, path: str, refused: Any
) -> None:
    answer = answers(refusing.console, refusing, method, path)
    name = {404: "not-found", 405: "method-not-allowed"}
    refused(answer, answer.status_code, name[answer.status_code])


@pytest.mark.parametrize("port", ["shop", "console"])
def test_both_ports_say_that_they_are_well(refusing: Any, port: str) -> None:
    client = getattr(refusing, port).test_client()
    for path, status in (("/healthz", "ok"), ("/readyz", "ready")):
        answer = client.get(path)
        assert (answer.status_code, answer.json["status"]) == (200, status)


def test_a_console_whose_database_is_away_is_alive_and_not_ready(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> Any:
        raise StorageError("connection to canary-database at 10.9.8.7 refused")

    monkeypatch.setattr("bandit_platform.storage.database.Database.read", gone)
    client = running.console.test_client()
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json == {"status": "not ready", "why": "the database does not answer"}


@pytest.fixture(params=["postgres", "sqlite"])
def orphaned(request: pytest.FixtureRequest, tmp_path: Path, clock: Any) -> Any:
    """A serving process that was started while its database is away."""
    if request.param == "postgres":
        url = "postgresql://shop:hidden@127.0.0.1:9/canary-database"
    else:
        (tmp_path / "canary-database").mkdir()
        url = f"sqlite:///{tmp_path / 'canary-database'}"
    serving = build_serving(
        Settings(data_dir=tmp_path / "data", database_url=url, refresh_seconds=3600.0), clock
    )
    yield create_decision_app(serving)
    serving.registry.close()
    serving.journal.close()


def test_a_server_without_a_database_is_alive_and_not_ready(orphaned: Any) -> None:
    client = orphaned.test_client()
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json["status"] == "not ready"
    # anybody reaches the shop's port: where the database is, is nobody's business
    for secret in ("hidden", "canary-database", "127.0.0.1", "9"):
        assert secret not in answer.text


def test_a_server_that_knows_nothing_yet_asks_to_try_again(orphaned: Any, refused: Any) -> None:
    client = orphaned.test_client()
    headers = {"Authorization": f"Bearer sk_{'0' * 16}_{'A' * 43}"}
    for path, body in (
        (f"/v1/experiments/{KEY}/decisions", {"unit_id": "u"}),
        ("/v1/events", {"events": [{"event_id": "e", "decision_id": "0" * 48, "type": "accept"}]}),
    ):
        answer = client.post(path, json=body, headers=headers)
        refused(answer, 503, "unavailable")  # a valid key cannot be told from another yet
        assert answer.headers["Retry-After"] == "1"
        refused(client.post(path, json=body), 401, "no-valid-key")
        garbage = {"Authorization": "Bearer garbage"}
        refused(client.post(path, json=body, headers=garbage), 401, "no-valid-key")


def test_the_shop_s_port_imports_no_console_and_no_statistics() -> None:
    """What it imports is most of the time until it is back after a crash."""
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, bandit_platform.web.decision_app; print(*sys.modules, sep='\\n')",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    slow = ("dashboards", "plotly", "pandas", "scipy", "alembic", "bandit_platform.web.console")
    assert [name for name in told if name.startswith((*slow, "bandit_platform.ope."))] == []

"""Both applications over one deployment in a folder, asked without a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import structlog

from bandit_platform.bootstrap import Platform, Serving, build, build_serving
from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.logs import configure_logs
from bandit_platform.settings import Settings
from bandit_platform.web.apps import create_console_app, create_decision_app
from tests.signing_in import SignedInClient, signed_in
from tests.support.databases import place_database
from tests.web.both_ports import Site
from tests.web.furnished import ana, full

__all__ = ["ana", "full"]

KEY = "checkout-offers"
CONTEXT = {"cart_value": 80.0, "country": "GB", "returning": True}


class RunningPlatform:
    """A running experiment, the shop's port and the console's port."""

    def __init__(self, settings: Settings, clock: Any) -> None:
        self.settings = settings
        self.clock = clock
        self.platform: Platform = build(settings, clock)
        keys = self.platform.keys
        self.server_key = keys.create(role=Role.SERVER).text
        self.admin_key = keys.create(role=Role.ADMIN).text
        self.serving: Serving = build_serving(settings, clock)
        self.shop = create_decision_app(self.serving)
        self.console = create_console_app(self.platform, settings)

    def launch(self, spec: Any) -> None:
        """Apply and start an experiment; the shop's port knows at once."""
        self.platform.apply_experiment(spec)
        self.platform.change_state(spec.key, Action.START)
        self.serving.registry.refresh()

    def post(
        self, path: str, body: Any = None, *, kind: str | None = "application/json", **options: Any
    ) -> Any:
        """A POST to the shop's port; ``body`` is bytes, text or something to send as JSON."""
        data = body if isinstance(body, (str, bytes)) or body is None else json.dumps(body)
        headers = {"Authorization": f"Bearer {self.server_key}", **options.pop("headers", {})}
        client = self.shop.test_client()
        return client.post(path, data=data, content_type=kind, headers=headers, **options)

    def post_without_length(self, path: str, body: bytes, **options: Any) -> Any:
        """A POST whose length is told only by its end, as with chunked encoding."""
        return self.shop.test_client().post(
            path,
            input_stream=BytesIO(body),
            content_type=options.pop("kind", "application/json"),
            headers=options.pop("headers", {"Authorization": f"Bearer {self.server_key}"}),
            environ_overrides={
                "CONTENT_LENGTH": "",
                "HTTP_TRANSFER_ENCODING": "chunked",
                "wsgi.input_terminated": True,
            },
        )

    def decide(self, **body: Any) -> Any:
        """A request for a decision."""
        headers = body.pop("headers", {})
        fields = {"unit_id": "u-123", "context": CONTEXT}
        path = f"/v1/experiments/{body.pop('experiment', KEY)}/decisions"
        return self.post(path, {**fields, **body}, headers=headers)

    def decision_id(self) -> str:
        """A decision that was made."""
        made: str = self.decide().json["decision_id"]
        return made

    def events(self, *items: Any) -> Any:
        """A report of outcomes."""
        return self.post("/v1/events", {"events": list(items)})

    def get(self, path: str) -> Any:
        """A GET from the console's port."""
        headers = {"Authorization": f"Bearer {self.admin_key}"}
        return self.console.test_client().get(path, headers=headers)

    def journal(self) -> str:
        """Everything in the journal."""
        folder = self.settings.journal_dir
        return "".join(path.read_text() for path in sorted(folder.glob("*.jsonl")))

    def close(self) -> None:
        """Let everything go."""
        self.serving.registry.close()
        self.serving.upkeep.close()
        self.serving.journal.close()
        self.platform.database.close()


@pytest.fixture
def deployment(tmp_path: Path, clock: Any) -> Iterator[RunningPlatform]:
    """Both applications over a migrated, empty database."""
    made = RunningPlatform(
        Settings(data_dir=place_database(tmp_path / "data"), refresh_seconds=3600.0), clock
    )
    yield made
    made.close()
    structlog.reset_defaults()


@pytest.fixture
def running(deployment: RunningPlatform, spec: Any) -> RunningPlatform:
    """A deployment with the experiment of most tests running."""
    deployment.launch(spec)
    return deployment


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, spec: Any) -> Iterator[RunningPlatform]:
    """A running deployment that the tests of a module share, because they only try its door."""
    folder = place_database(tmp_path_factory.mktemp("standing"))
    moment = datetime(2026, 11, 22, 10, tzinfo=UTC)
    made = RunningPlatform(Settings(data_dir=folder, refresh_seconds=3600.0), lambda: moment)
    made.launch(spec)
    yield made
    made.close()
    structlog.reset_defaults()


@pytest.fixture
def refusing(standing: RunningPlatform) -> Iterator[RunningPlatform]:
    """The shared deployment, of which nothing may be different afterwards."""
    configure_logs()  # other tests of the module may have put them back
    before = standing.journal()
    yield standing
    assert standing.journal() == before


@pytest.fixture
def console_as(running: RunningPlatform) -> Callable[..., SignedInClient]:
    """Gives a client of the running deployment's console, signed in with a role (None: nobody).

    See :mod:`tests.signing_in`; ``client.post`` fills the secret of forms in.
    """

    def sign_in(role: Role | None, name: str | None = None) -> SignedInClient:
        return signed_in(running.console, running.platform, role, name)

    return sign_in


@pytest.fixture
def refused() -> Callable[..., dict[str, Any]]:
    """Checks that an answer is problem+json of a type and gives its body."""

    def check(answer: Any, status: int, name: str) -> dict[str, Any]:
        assert answer.status_code == status, answer.text
        assert answer.content_type == "application/problem+json"
        body: dict[str, Any] = answer.json
        assert body["type"] == f"urn:bandit-platform:problem:{name}"
        assert body["status"] == status
        assert body["title"]
        assert body["detail"]
        return body

    return check


@pytest.fixture
def site(tmp_path: Path, spec: Any, clock: Any) -> Iterator[Site]:
    """Both applications over a running experiment, with a key of every kind."""
    made = Site(Settings(data_dir=place_database(tmp_path), refresh_seconds=3600), spec, clock)
    yield made
    made.serving.registry.close()
    made.serving.upkeep.close()
    made.serving.journal.close()
    structlog.reset_defaults()


@pytest.fixture
def team(deployment: Any) -> Any:
    return signed_in(deployment.console, deployment.platform, Role.EXPERIMENTER)


@pytest.fixture
def draft(deployment: Any, spec: Any) -> Any:
    deployment.platform.apply_experiment(spec)
    deployment.serving.registry.refresh()
    return deployment

"""A whole platform in real processes, over real files, that tests may hurt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.bootstrap import Platform, build
from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.settings import Settings
from bandit_platform.simulation.connection import Answer, JsonConnection, bearer
from bandit_platform.simulation.crashes import wait_until
from bandit_platform.simulation.ledger import Ledger
from bandit_platform.simulation.load import Shop
from bandit_platform.simulation.proof import Totals, check_learned, check_stored, is_settled
from bandit_platform.simulation.stage import Stage, stage_settings
from tests.services.conftest import lite, make_world, world  # noqa: F401 - fixtures

KEY = "checkout-offers"


@dataclass
class DeployedPlatform:
    """One node or several, on one database."""

    platform: Platform
    settings: Settings
    key: str
    folder: Path
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def shop(self) -> Shop:
        return Shop(host="127.0.0.1", port=self.settings.port, experiment=KEY, key=self.key)

    def decide(self, **fields: Any) -> Answer:
        """One decision over a connection of its own."""
        body = {
            "unit_id": "someone",
            "context": {"cart_value": 80.0, "country": "GB", "returning": True},
        }
        path = f"/v1/experiments/{KEY}/decisions"
        connection = JsonConnection("127.0.0.1", self.settings.port, bearer(self.key))
        try:
            return connection.post(path, {**body, **fields})
        finally:
            connection.close()

    def ready(self, port: int | None = None) -> Answer:
        """What /readyz says."""
        connection = JsonConnection("127.0.0.1", port or self.settings.port)
        try:
            return connection.get("/readyz")
        finally:
            connection.close()

    def settle(self, stage: Stage) -> Totals:
        """Wait until everything is stored, matured and learned, and hold it to its word."""
        database = self.platform.database

        def done() -> bool:
            return not check_stored(database, KEY, self.ledger)[0] and is_settled(database, KEY)

        try:
            wait_until("settling", done, stage, seconds=20)
        finally:
            wrong, totals = check_stored(database, KEY, self.ledger)
            assert wrong[:3] == []
        assert check_learned(database, KEY) == []
        return totals


@pytest.fixture
def deploy(
    tmp_path: Path, spec_text: str, secret: bytes
) -> Iterator[Callable[..., DeployedPlatform]]:
    """Makes deployments: ``deploy(url, window="1s", **settings)``."""
    with ExitStack() as stack:

        def make(url: str = "", *, window: str = "1s", **changed: Any) -> DeployedPlatform:
            settings = replace(
                stage_settings(tmp_path),
                database_url=url,
                secret=secret.decode(),
                grace_seconds=0.2,
                refresh_seconds=0.1,
                work_seconds=0.05,
                **changed,
            )
            platform = build(settings)
            stack.enter_context(closing(platform.database))
            text = spec_text.replace('window = "1h"', f'window = "{window}"')
            platform.apply_experiment(parse_toml(text))
            platform.change_state(KEY, Action.START)
            key = platform.keys.create(role=Role.SERVER).text
            return DeployedPlatform(platform=platform, settings=settings, key=key, folder=tmp_path)

        yield make


@pytest.fixture
def start() -> Iterator[Callable[..., Stage]]:
    """Starts processes of a deployment, which end with the test."""
    with ExitStack() as stack:

        def run(
            deployment: DeployedPlatform,
            *processes: str,
            settings: Settings | None = None,
            name: str = "node",
        ) -> Stage:
            folder = deployment.folder / f"logs-{name}"
            folder.mkdir()
            stage = Stage(
                settings or deployment.settings, folder, key=deployment.key, processes=processes
            )
            stack.enter_context(stage)
            stage.wait_until_ready()
            if "serve" in processes:
                stage.wait_until_decides(KEY)
            return stage

        yield run

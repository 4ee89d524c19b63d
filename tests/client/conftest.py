"""A client of the real application."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from bandit_platform.client import Client
from bandit_platform.settings import Settings
from tests.client.services import listening
from tests.support.databases import place_database
from tests.web.both_ports import Site


@pytest.fixture
def service(tmp_path: Path, spec: Any, clock: Any) -> Iterator[tuple[Site, str]]:
    site = Site(Settings(data_dir=place_database(tmp_path), refresh_seconds=3600), spec, clock)
    with listening(make_server("127.0.0.1", 0, site.shop, threaded=True)) as url:
        yield site, url
    site.serving.registry.close()
    site.serving.upkeep.close()
    site.serving.journal.close()


@pytest.fixture
def client(service: tuple[Site, str]) -> Iterator[Client]:
    site, url = service
    with Client(url, str(site.keys["server"]), timeout=5.0) as made:
        yield made

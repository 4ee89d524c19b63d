"""Behind a proxy the console's commands name the address that shops use, as it was set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.web.apps import create_console_app
from tests.signing_in import signed_in

KEY = "checkout-offers"
LIES = {
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "Forwarded": "host=evil.example;proto=https",
    "X-Forwarded-Prefix": "/evil",
}


@pytest.mark.parametrize(
    ("set_to", "shown"),
    [("https://offers.example/", "https://offers.example/v1"), ("", "http://127.0.0.1:8080/v1")],
)
def test_commands_name_it(deployment: Any, spec: Any, set_to: str, shown: str) -> None:
    deployment.platform.apply_experiment(spec)
    app = create_console_app(
        deployment.platform, replace(deployment.settings, service_url=set_to, proxies=1)
    )
    team = signed_in(app, deployment.platform, Role.EXPERIMENTER)
    draft = team.get(f"/experiments/{KEY}/setup/launch", headers=LIES).text
    deployment.platform.change_state(KEY, Action.START)
    waiting = team.get(f"/experiments/{KEY}", headers=LIES).text
    for page in (draft, waiting):
        assert f"{shown}/experiments/{KEY}/decisions" in page
        assert "evil" not in page  # what proxies say of hosts is never believed


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ("/questions", "/questions/"),
        ("/questions?page=2", "/questions/?page=2"),
        ("/questions//new", "/questions/new"),
    ],
)
def test_a_tidier_address_is_on_the_same_host(console_as: Any, asked: str, place: str) -> None:
    client = console_as(Role.ANALYST)
    answer = client.get(asked, headers={"Host": "evil.example", **LIES})
    assert (answer.status_code, answer.headers["Location"]) == (308, place)

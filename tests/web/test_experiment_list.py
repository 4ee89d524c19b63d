"""The list of experiments: filters, traffic, and the way to a new one."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.services.collecting.ingest import Ingest
from tests.signing_in import signed_in


@pytest.fixture
def many(running: Any, spec: Any) -> Any:
    """A running experiment, a draft with an owner on another page, and an archived one."""
    platform = running.platform
    platform.apply_experiment(
        spec.model_copy(update={"key": "cart-page", "placement": "cart", "owner": "growth <b>"})
    )
    platform.apply_experiment(spec.model_copy(update={"key": "over-and-done"}))
    platform.change_state("over-and-done", Action.ARCHIVE)
    return running


def listed(deployment: Any, role: Role = Role.VIEWER, **query: str) -> list[str]:
    page = signed_in(deployment.console, deployment.platform, role).get("/", query_string=query)
    assert page.status_code == 200
    return re.findall(r'<tr data-experiment="([^"]+)"', page.text)


def test_archived_ones_are_hidden_until_asked_for(many: Any) -> None:
    assert listed(many) == ["cart-page", "checkout-offers"]
    assert listed(many, state="archived") == ["over-and-done"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"state": "draft"}, ["cart-page"]),
        ({"state": "running"}, ["checkout-offers"]),
        ({"placement": "cart"}, ["cart-page"]),
        ({"owner": "growth <b>"}, ["cart-page"]),
        ({"owner": "growth <b>", "state": "running"}, []),
        ({"state": "<script>"}, []),
    ],
)
def test_filters(many: Any, query: dict[str, str], found: list[str]) -> None:
    assert listed(many, **query) == found


def test_a_long_list_is_cut_into_pages_and_searched(running: Any, spec: Any) -> None:
    for number in range(60):
        running.platform.apply_experiment(spec.model_copy(update={"key": f"campaign-{number:02}"}))
    assert len(listed(running)) == 50
    rest = listed(running, page="2")
    assert rest[0] == "campaign-50"
    assert rest[-1] == "checkout-offers"
    assert listed(running, page="99") == rest
    assert listed(running, page="-1") == listed(running)
    assert listed(running, name="PAIGN-07") == ["campaign-07"]
    page = signed_in(running.console, running.platform, Role.VIEWER).get("/?name=campaign").text
    assert "1 to 50 of 60 experiments" in page
    assert '<a rel="next" href="/?page=2&amp;name=campaign">' in page


def test_nothing_that_fits_is_said_with_the_way_back(many: Any) -> None:
    client = signed_in(many.console, many.platform, Role.VIEWER)
    page = client.get("/?placement=<i>").text
    assert "No experiment fits" in page
    assert "Show all" in page
    assert "<i>" not in page


def test_who_may_change_finds_the_way_to_a_new_one(running: Any) -> None:
    for role, offered in ((Role.VIEWER, False), (Role.EXPERIMENTER, True)):
        page = signed_in(running.console, running.platform, role).get("/").text
        assert ('href="/experiments/new"' in page) is offered


def test_traffic_stands_beside_the_count(running: Any) -> None:
    for number in range(7):
        running.clock.advance(60)
        running.decide(unit_id=f"u{number}")
    Ingest(running.platform.database, running.settings.journal_dir).run_once()
    page = signed_in(running.console, running.platform, Role.VIEWER).get("/").text
    assert "7 a day" in page
    running.clock.advance(90_000)
    page = signed_in(running.console, running.platform, Role.VIEWER).get("/").text
    assert "7 a day" not in page

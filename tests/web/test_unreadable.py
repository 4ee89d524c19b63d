"""An experiment that a newer version wrote: nobody can look at it, and the team can stop it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from tests.signing_in import signed_in

KEY = "checkout-offers"
STEPS = f"/experiments/{KEY}/setup/steps"


@pytest.fixture
def unread(running: Any) -> Any:
    """The running experiment, whose definition has a word of the future."""
    with running.platform.database.write() as connection:
        connection.execute(
            text("""UPDATE revision SET spec = replace(spec, '"placement"', '"placement-2"')""")
        )
    return running


def test_the_list_names_it_with_the_steps_that_need_no_definition(unread: Any, team: Any) -> None:
    page = team.get("/").text
    assert f'data-unread="{KEY}"' in page
    assert f'action="{STEPS}/pause"' in page
    assert f'action="{STEPS}/stop"' in page
    viewer = signed_in(unread.console, unread.platform, Role.VIEWER).get("/").text
    assert f'data-unread="{KEY}"' in viewer
    assert STEPS not in viewer


def test_it_is_paused_and_stopped_by_clicking_and_shoppers_get_nothing(
    unread: Any, team: Any
) -> None:
    assert unread.decide().json["reason"] in {"uniform", "holdout"}
    for action, reason in (("pause", "paused"), ("stop", "stopped")):
        answer = team.post(f"{STEPS}/{action}")
        assert (answer.status_code, answer.location) == (303, "/")
        unread.serving.registry.refresh()
        told = unread.decide().json
        assert (told["arm"], told["reason"]) == ("nothing", reason)
        assert unread.platform.experiments.states() == {KEY: reason}
    assert f'action="{STEPS}/archive"' in team.get("/").text
    assert team.post(f"{STEPS}/archive").status_code == 303
    assert KEY not in team.get("/").text


def test_it_is_not_resumed(unread: Any, team: Any) -> None:
    unread.platform.change_state(KEY, Action.PAUSE)
    assert f"{STEPS}/resume" not in team.get("/").text
    assert team.post(f"{STEPS}/resume").status_code == 503
    assert unread.platform.experiments.states() == {KEY: "paused"}


def test_it_is_stopped_over_http_too(unread: Any) -> None:
    headers = {"Authorization": f"Bearer {unread.admin_key}"}
    client = unread.console.test_client()
    answer = client.post(f"/v1/experiments/{KEY}/stop", headers=headers)
    assert (answer.status_code, answer.json) == (200, {"experiment": KEY, "state": "stopped"})

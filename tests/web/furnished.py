"""A deployment with interactions, and analysts who ask about them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from bandit_platform.domain.access import Role
from bandit_platform.services.asking.answer import Answerer
from bandit_platform.services.collecting.ingest import Ingest
from bandit_platform.services.working.work import Worker

EVIL = "=cmd|' /C calc'!A1"
TAG = "<img src=x onerror=alert(1)>"
COUNTRIES = ("GB", EVIL, TAG)


@pytest.fixture
def full(running: Any, clock: Any) -> Any:
    """A deployment whose experiment has matured interactions, with contexts that want to harm."""
    for number in range(90):
        clock.advance(1)
        context = {"cart_value": 80.0, "country": COUNTRIES[number % 3], "returning": True}
        made = running.decide(unit_id=f"u-{number}", context=context).json
        if number % 4 == 0:
            running.events(
                {"event_id": f"e-{number}", "decision_id": made["decision_id"], "type": "accept"}
            )
    clock.advance(7200)
    settings = running.settings
    worker = Worker(
        running.platform.database,
        Ingest(running.platform.database, settings.journal_dir),
        clock,
        lease=timedelta(days=1),
        grace=timedelta(seconds=1),
    )
    while worker.round():
        pass
    return running


def answer_all(deployment: Any) -> None:
    answerer = Answerer(deployment.platform.database, deployment.clock, "of this test")
    while answerer.answer_next():
        pass


@pytest.fixture
def ana(full: Any, console_as: Callable[..., FlaskClient]) -> Any:
    return console_as(Role.ANALYST, "ana")

"""The console's test decision and test event, where something else answers than expected."""

from __future__ import annotations

from typing import Any

import pytest

from bandit_platform.web.console.try_out import try_out
from tests.client.services import accepted, scripted

KEY = "sk_0000000000000000_" + "A" * 43
DECIDED = {"decision_id": "d" * 48, "reason": "draft"}
REJECTED = {"events": [{"event_id": None, "status": "rejected", "why": "type: too long"}]}


@pytest.mark.parametrize(
    ("events", "sent", "told"),
    [
        (None, True, "took the event"),
        ((422, REJECTED, {}), False, "The service refused the event: type: too long"),
        ((422, {"detail": "no such form"}, {}), False, "refused the event: no such form"),
        ((200, b"<html>", {}), False, "refused the event: status 200"),
        ((302, b"", {"Location": "/"}), False, "refused the event: status 302"),
    ],
    ids=["taken", "rejected", "refused", "a page", "a redirect"],
)
def test_only_an_event_that_was_taken_is_told_as_taken(
    spec: Any, events: Any, sent: bool, told: str
) -> None:
    def answer(path: str, body: Any) -> Any:
        if path.endswith("/decisions"):
            return 201, DECIDED, {}
        return events or (202, accepted(body["events"]), {})

    with scripted(answer) as url:
        found = try_out(url, KEY, spec, {})
    assert found.sent is sent
    assert told in found.told

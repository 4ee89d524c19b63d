"""Steady load from shops that never give up: each repeats a request until it is answered."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from threading import Event, Thread
from typing import Any

from bandit_platform.simulation.connection import Answer, JsonConnection, bearer
from bandit_platform.simulation.ledger import Ledger

_RETRY_SECONDS = 0.05
_COUNTRIES = ("GB", "US", "DE")
#: statuses that ask the shop to try again
_LATER = frozenset({429, 503})


@dataclass(frozen=True, kw_only=True)
class Shop:
    """Where a load goes."""

    host: str
    port: int
    experiment: str
    key: str


class Load:
    """Sends decisions and events from several threads inside a ``with`` block."""

    def __init__(
        self, shop: Shop, ledger: Ledger, *, seed: int = 0, senders: int = 3, rate: float = 150.0
    ) -> None:
        """Prepare.

        Args:
            shop: where to send.
            ledger: takes every acknowledgement.
            seed: of contexts and outcomes.
            senders: connections at the same time.
            rate: visits a second, all senders together.
        """
        self._shop = shop
        self._ledger = ledger
        self._pause = senders / rate
        self._stop = Event()
        self._threads = [
            Thread(target=self._send, args=(f"{seed}-{number}",), daemon=True)
            for number in range(senders)
        ]
        self._errors: list[BaseException] = []

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _send(self, name: str) -> None:
        chance = random.Random(name)
        try:
            number = 0
            while not self._stop.is_set():
                began = time.monotonic()
                self._visit(f"{name}-{number}", chance)
                number += 1
                self._stop.wait(max(0.0, self._pause - (time.monotonic() - began)))
        except BaseException as error:  # noqa: BLE001 - raised again where the load ends
            self._errors.append(error)

    def _visit(self, name: str, chance: random.Random) -> None:
        request: dict[str, Any] = {"unit_id": f"unit-{name}", "context": _context(chance)}
        if chance.random() < 0.5:
            request["request_key"] = f"order-{name}"
        began = time.monotonic()
        path = f"/v1/experiments/{self._shop.experiment}/decisions"
        answer = self._insist(path, request)
        if answer is None:
            return
        self._ledger.decided(answer.body, time.monotonic() - began)
        if "request_key" in request and chance.random() < 0.2:
            repeated = time.monotonic()
            again = self._insist(path, request)
            if again is not None:
                self._ledger.decided(again.body, time.monotonic() - repeated)
        if answer.body["arm"] != "nothing" and chance.random() < 0.6:
            self._report(answer.body["decision_id"], f"event-{name}", chance)

    def _report(self, decision_id: str, event_id: str, chance: random.Random) -> None:
        kind = "accept" if chance.random() < 0.5 else "dismiss"
        event = {"event_id": event_id, "decision_id": decision_id, "type": kind}
        began = time.monotonic()
        answer = self._insist("/v1/events", {"events": [event]})
        if answer is None:
            return
        status = answer.body["events"][0]["status"]
        if status in {"accepted", "duplicate"}:
            self._ledger.reported(decision_id, event_id, time.monotonic() - began)
        else:
            self._ledger.refused(f"event {status}")

    def _insist(self, path: str, body: Mapping[str, Any]) -> Answer | None:
        """The answer, however often it takes; None when the load ends first or it is refused."""
        while not self._stop.is_set():
            connection = JsonConnection(self._shop.host, self._shop.port, bearer(self._shop.key))
            try:
                answer = connection.post(path, body)
            except (OSError, HTTPException):
                self._stop.wait(_RETRY_SECONDS)
                continue
            finally:
                connection.close()
            if answer.ok:
                return answer
            if answer.status not in _LATER:
                self._ledger.refused(f"{path}: {answer.status} {answer.body.get('title')}")
                return None
            self._stop.wait(_RETRY_SECONDS)
        return None


def _context(chance: random.Random) -> dict[str, Any]:
    return {
        "cart_value": round(chance.uniform(10.0, 200.0), 2),
        "country": chance.choice(_COUNTRIES),
        "returning": chance.random() < 0.5,
    }

"""Sending many visits to the running service at once, and counting every answer.

A visit asks for a decision and then, knowing the arm, reports what came of it: an activation, and
all its events in one request. Anything but a 2xx answer is counted by kind, never swallowed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from threading import Event, Lock, Thread
from typing import Any

from bandit_platform.simulation.connection import Answer, JsonConnection, bearer
from bandit_platform.simulation.tally import Served, Tally
from bandit_platform.simulation.truth import Outcome

#: So many failures without a single success between them end the run: the service is gone.
GIVE_UP_AFTER = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What is reported back once the arm is known."""

    events: Sequence[Outcome] = ()
    #: the deferred decision was really shown
    activate: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One request for a decision and what follows from the answer."""

    number: int
    #: body of the decision request; must hold a ``request_key``, so that it can be repeated
    request: Mapping[str, Any]
    #: the arm that was served → what to report
    reply: Callable[[str], Reply]


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where decisions are asked for, and how fast."""

    host: str
    port: int
    experiment: str
    #: secret key of the shop's server
    key: str = ""
    currency: str | None = None
    #: senders at the same time, each with a connection of its own
    connections: int = 8
    #: visits that may start per second; None for as fast as answers come
    rate: float | None = None


def drive(
    visits: Iterator[Visit],
    target: Target,
    *,
    progress: Callable[[int], None],
    check: Callable[[], None],
) -> Tally:
    """Send every visit and count what happened.

    Args:
        visits: taken one at a time, in order.
        target: the service.
        progress: told now and then how many visits are done.
        check: called now and then; what it raises (a process died) ends the run.
    """
    run = _Run(visits, target)
    threads = [Thread(target=run.send, daemon=True) for _ in range(target.connections)]
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.05)
            progress(run.done)
            check()
    finally:
        run.stop.set()
        for thread in threads:
            if thread.ident is not None:  # a signal may come before all have begun
                thread.join()
    progress(run.done)
    if run.error is not None:
        raise run.error
    run.total.served.sort(key=lambda served: served.number)
    return run.total


class _Run:
    """What the senders of one run share."""

    def __init__(self, visits: Iterator[Visit], target: Target) -> None:
        self.target = target
        self.total = Tally()
        self.done = 0
        self.error: BaseException | None = None
        self.stop = Event()
        self._visits = visits
        self._lock = Lock()
        self._started = 0
        self._start = time.monotonic()
        self._failures_in_a_row = 0

    def send(self) -> None:
        """Send visits until there are no more; the body of one thread."""
        sender = _Sender(self.target)
        try:
            while (visit := self._next()) is not None:
                worked = sender.visit(visit)
                self._finished(worked=worked)
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            self.error = error
            self.stop.set()
        finally:
            sender.close()
            with self._lock:
                self.total.add(sender.tally)

    def _next(self) -> Visit | None:
        with self._lock:
            if self.stop.is_set():
                return None
            visit = next(self._visits, None)
            due = self._start + self._started / self.target.rate if self.target.rate else 0.0
            self._started += 1
        if visit is None or self.stop.wait(max(0.0, due - time.monotonic())):
            return None
        return visit

    def _finished(self, *, worked: bool) -> None:
        with self._lock:
            self.done += 1
            self._failures_in_a_row = 0 if worked else self._failures_in_a_row + 1
            if self._failures_in_a_row >= GIVE_UP_AFTER:
                self.stop.set()


class _Sender:
    """One connection with its own counts."""

    def __init__(self, target: Target) -> None:
        self._connection = JsonConnection(target.host, target.port, bearer(target.key))
        self._decisions = f"/v1/experiments/{target.experiment}/decisions"
        self._currency = target.currency
        self.tally = Tally()

    def close(self) -> None:
        self._connection.close()

    def visit(self, visit: Visit) -> bool:
        """Send one visit; False when the service did not take all of it."""
        self.tally.decisions_sent += 1
        answer = self._post("decision", self._decisions, visit.request)
        if answer is None:
            return False
        self.tally.decisions_acknowledged += 1
        self.tally.decisions_new += answer.status == 201
        served = _served(visit.number, answer.body)
        self.tally.served.append(served)
        reply = visit.reply(served.arm)
        activated = not reply.activate or self._activate(served)
        return (not reply.events or self._report(served, reply.events)) and activated

    def _activate(self, served: Served) -> bool:
        self.tally.activations_sent += 1
        path = f"/v1/decisions/{served.decision_id}/activate"
        worked = self._post("activation", path, None) is not None
        self.tally.activations_acknowledged += worked
        return worked

    def _report(self, served: Served, outcomes: Sequence[Outcome]) -> bool:
        self.tally.events_sent += len(outcomes)
        events = [
            self._event(served, number, outcome) for number, outcome in enumerate(outcomes, start=1)
        ]
        answer = self._post("events", "/v1/events", {"events": events})
        statuses = [item.get("status") for item in answer.body.get("events", ())] if answer else []
        self.tally.events_accepted += statuses.count("accepted")
        self.tally.events_duplicate += statuses.count("duplicate")
        self.tally.events_rejected += statuses.count("rejected")
        return statuses.count("rejected") == 0 and len(statuses) == len(outcomes)

    def _event(self, served: Served, number: int, outcome: Outcome) -> dict[str, Any]:
        event = {
            "event_id": f"{served.number}-{number}",
            "decision_id": served.decision_id,
            "type": outcome.type,
        }
        if outcome.amount is None:
            return event
        money = {"amount": outcome.amount, "currency": self._currency}
        return {**event, **{name: value for name, value in money.items() if value is not None}}

    def _post(self, what: str, path: str, body: Mapping[str, Any] | None) -> Answer | None:
        try:
            answer = self._connection.post(path, body)
        except (OSError, HTTPException) as error:
            self.tally.failures[f"{what}: {type(error).__name__}"] += 1
            return None
        if not answer.ok and "events" not in answer.body:  # 422 with receipts: all were rejected
            detail = answer.body.get("title", answer.body.get("detail", ""))
            self.tally.failures[f"{what}: {answer.status} {detail}".rstrip()] += 1
            return None
        return answer


def _served(number: int, body: Mapping[str, Any]) -> Served:
    return Served(
        number=number,
        decision_id=body["decision_id"],
        arm=body["arm"],
        reason=body["reason"],
        pmf=body["pmf"],
    )

"""Queues reports, sends them in the background, and resends them until the service confirms them.

The service confirms outcomes with a receipt for each, and an activation with 204. A report is
dropped when the service itself refuses it. After any other answer (a redirect, a proxy page, a
status that is not the service's) reports are sent again: from the end of the queue and in smaller
batches, so that a report that a proxy always blocks does not delay the others.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Condition, Thread
from typing import Any
from weakref import WeakSet

from bandit_platform.client.connections import Reply, as_json
from bandit_platform.errors import InputError, UnavailableError

_log = logging.getLogger("bandit_platform.client")
_MOST_EVENTS = 100
_MOST_BYTES = 60_000
_EVENTS = "/v1/events"
_RETRIED = frozenset({408, 425, 429})
_JUDGED = frozenset({202, 422})
#: an answer that is not the service's is logged so often
_LOG_SECONDS = 10.0
#: seconds that a Retry-After may ask for
_LONGEST_WAIT = 300.0

Post = Callable[[str, Any], Reply]


@dataclass(frozen=True, kw_only=True)
class Report:
    """One outcome or activation: where it goes and what it says."""

    path: str
    body: dict[str, Any] | None
    size: int = 0


def event_report(event: dict[str, Any]) -> Report:
    """An outcome, to be sent together with others.

    Raises:
        ValueError: it cannot be written as JSON.
        TypeError: as above.
    """
    return Report(path=_EVENTS, body=event, size=len(as_json(event)) + 2)


def moment_text(moment: datetime | str) -> str:
    """A moment as ISO 8601 text in UTC.

    Raises:
        InputError: it is neither a datetime nor ISO 8601 text, or has no time zone.
    """
    try:
        read = datetime.fromisoformat(moment.strip()) if isinstance(moment, str) else moment
        if read.utcoffset() is not None:
            return read.astimezone(UTC).isoformat(timespec="microseconds")
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise InputError("occurred_at must be a datetime or an ISO 8601 text") from None
    raise InputError("occurred_at needs a time zone, such as datetime.now(UTC)")


@dataclass(frozen=True, kw_only=True)
class _Sent:
    """What a request did for its reports."""

    #: whether they need not be sent again
    settled: bool
    #: whether somebody other than the service answered
    foreign: bool = False
    #: seconds to wait at least before the next request
    wait: float = 0.0


@dataclass(kw_only=True, eq=False)
class Outbox:
    """Reports not yet acknowledged, and the thread that sends them."""

    post: Post
    #: so many may wait; what comes beyond is dropped and counted
    capacity: int = 10_000
    #: seconds to wait after the first failure, and at most
    first_pause: float = 0.2
    longest_pause: float = 30.0
    #: reports that could not be written or kept, or that the service refused
    dropped: int = field(default=0, init=False)
    _waiting: deque[Report] = field(default_factory=deque, init=False)
    _changed: Condition = field(default_factory=Condition, init=False)
    _thread: Thread | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)
    _hurry: bool = field(default=False, init=False)
    _batch_events: int = field(default=_MOST_EVENTS, init=False)
    _logged_at: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        _outboxes.add(self)

    def put(self, report: Report) -> bool:
        """Take a report on its way; False where there is no room for it."""
        with self._changed:
            if self._closed or len(self._waiting) >= self.capacity:
                self.dropped += 1
                return False
            self._waiting.append(report)
            self._start()
            self._changed.notify_all()
        return True

    def flush(self, seconds: float) -> int:
        """Wait until all is sent, at most so long; says how many still wait."""
        end = time.monotonic() + seconds
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            while self._waiting and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
            self._hurry = False
            return len(self._waiting)

    def close(self, seconds: float) -> int:
        """As :meth:`flush`, then stop; what still waits is lost."""
        left = self.flush(seconds)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        return left

    def _start(self) -> None:
        """Start the thread that sends."""
        if self._thread is None:
            thread = Thread(target=self._send_forever, name="bandit-reports", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no thread can be started now; the next report tries again
                return
            self._thread = thread

    def renew_after_fork(self) -> None:
        """Forget the parent's threads: they send nothing here, and one may have held the lock."""
        self._changed = Condition()
        self._thread = None
        self._hurry = False

    def _send_forever(self) -> None:
        pause = 0.0
        while True:
            with self._changed:
                self._rest(pause)
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                batch = self._batch()
            sent = self._send(batch)
            with self._changed:
                self._conclude(batch, sent)
            if sent.settled:
                pause = 0.0
            else:
                grown = min(self.longest_pause, max(self.first_pause, pause * 2))
                pause = max(sent.wait, grown * random.uniform(0.5, 1.0))

    def _conclude(self, batch: list[Report], sent: _Sent) -> None:
        """Take a batch out, or move it to the end where somebody else answered."""
        if sent.settled or sent.foreign:
            for _ in batch:
                self._waiting.popleft()
        if sent.settled:
            self._batch_events = _MOST_EVENTS
            self._changed.notify_all()
        elif sent.foreign:
            self._waiting.extend(batch)
            self._batch_events = max(1, len(batch) // 2)

    def _rest(self, pause: float) -> None:
        end = time.monotonic() + pause
        while not self._closed and (left := end - time.monotonic()) > 0:
            self._changed.wait(min(left, self.first_pause) if self._hurry else left)
            if self._hurry:
                return

    def _batch(self) -> list[Report]:
        first, size = self._waiting[0], 0
        if first.path != _EVENTS:
            return [first]
        batch: list[Report] = []
        for report in self._waiting:
            size += report.size
            full = len(batch) == self._batch_events or size > _MOST_BYTES
            if report.path != _EVENTS or (full and batch):
                break
            batch.append(report)
        return batch

    def _send(self, batch: list[Report]) -> _Sent:
        path = batch[0].path
        body = {"events": [report.body for report in batch]} if path == _EVENTS else batch[0].body
        try:
            reply = self.post(path, body)
        except UnavailableError:
            return _Sent(settled=False)
        except Exception:  # noqa: BLE001 - the thread must outlive whatever cannot be sent
            self.dropped += len(batch)
            _log.exception("%d reports could not be sent", len(batch))
            return _Sent(settled=True)
        if reply.status >= 500 or reply.status in _RETRIED:
            return _Sent(settled=False, wait=_wait(reply))
        refused = _refused(reply, batch)
        if refused is None:
            self._log_foreign(reply, len(batch))
            return _Sent(settled=False, foreign=True, wait=_wait(reply))
        self.dropped += len(refused)
        for why, count in Counter(refused).items():
            _log.warning("reports refused: %d, %s", count, why)
        return _Sent(settled=True)

    def _log_foreign(self, reply: Reply, reports: int) -> None:
        now = time.monotonic()
        if self._logged_at is None or now - self._logged_at >= _LOG_SECONDS:
            self._logged_at = now
            _log.warning(
                "%d reports were not confirmed and will be sent again: %s", reports, reply.problem
            )


#: those of this process
_outboxes: WeakSet[Outbox] = WeakSet()


def _renew_all() -> None:
    for outbox in list(_outboxes):
        outbox.renew_after_fork()


if hasattr(os, "register_at_fork"):  # where processes can fork
    os.register_at_fork(after_in_child=_renew_all)


def _wait(reply: Reply) -> float:
    return min(reply.retry_after or 0.0, _LONGEST_WAIT)


def _refused(reply: Reply, batch: list[Report]) -> list[str] | None:
    """Why single reports were refused; None where the service did not answer for this batch."""
    if reply.is_refusal:
        return [reply.problem] * len(batch)
    if batch[0].path != _EVENTS:
        return [] if reply.status == 204 else None
    receipts = reply.body.get("events") if isinstance(reply.body, dict) else None
    if reply.status not in _JUDGED or not isinstance(receipts, list):
        return None
    if len(receipts) != len(batch) or not all(map(_is_receipt, receipts, batch)):
        return None
    return [str(each.get("why")) for each in receipts if each["status"] == "rejected"]


def _is_receipt(receipt: Any, report: Report) -> bool:
    """Whether an outcome was judged; a rejected one's id may be left out of the receipt."""
    if not isinstance(receipt, dict) or report.body is None:
        return False
    status, event_id = receipt.get("status"), receipt.get("event_id")
    if event_id is None:
        return bool(status == "rejected")
    judged = status in ("accepted", "duplicate", "rejected")  # an odd one may be unhashable
    return judged and bool(event_id == report.body["event_id"])

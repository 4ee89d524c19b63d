"""Reports on their way: kept in order, sent in the background, sent again until they arrive."""

from __future__ import annotations

import logging
import os
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Any

from bandit_platform.client.connections import Reply, as_json
from bandit_platform.errors import UnavailableError

_log = logging.getLogger("bandit_platform.client")
_MOST_EVENTS = 100
_MOST_BYTES = 60_000
_EVENTS = "/v1/events"
_RETRIED = frozenset({408, 425, 429})

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


@dataclass(kw_only=True)
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
    _process: int = field(default=0, init=False)
    _closed: bool = field(default=False, init=False)
    _hurry: bool = field(default=False, init=False)

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
        """A process that was forked has no threads of its parent's, so it starts one of its own."""
        if self._thread is None or self._process != os.getpid():
            self._process = os.getpid()
            self._thread = Thread(target=self._send_forever, name="bandit-reports", daemon=True)
            self._thread.start()

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
            wanted = self._send(batch)
            if wanted is None:
                pause = 0.0
                with self._changed:
                    for _ in batch:
                        self._waiting.popleft()
                    self._changed.notify_all()
            else:
                grown = min(self.longest_pause, max(self.first_pause, pause * 2))
                pause = max(wanted, grown * random.uniform(0.5, 1.0))

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
            full = len(batch) == _MOST_EVENTS or size > _MOST_BYTES
            if report.path != _EVENTS or (full and batch):
                break
            batch.append(report)
        return batch

    def _send(self, batch: list[Report]) -> float | None:
        """None when the reports need not be sent again, else seconds to wait at least."""
        path = batch[0].path
        body = {"events": [report.body for report in batch]} if path == _EVENTS else batch[0].body
        try:
            reply = self.post(path, body)
        except UnavailableError:
            return 0.0
        except Exception:  # noqa: BLE001 - the thread must outlive whatever cannot be sent
            self.dropped += len(batch)
            _log.exception("%d reports could not be sent", len(batch))
            return None
        if reply.status >= 500 or reply.status in _RETRIED:
            return reply.retry_after or 0.0
        refused = [reply.problem] * len(batch) if reply.status >= 400 else _rejected(reply.body)
        self.dropped += len(refused)
        for why, count in Counter(refused).items():
            _log.warning("reports refused: %d, %s", count, why)
        return None


def _rejected(body: Any) -> list[str]:
    """Why single outcomes were refused; the service never repeats what was sent."""
    items = body.get("events", ()) if isinstance(body, dict) else ()
    return [str(item.get("why")) for item in items if item.get("status") == "rejected"]

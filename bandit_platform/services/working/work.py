"""The worker: ingest, mature, learn and publish, round after round, while it holds the lead."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from math import inf
from secrets import token_hex
from threading import Event

import structlog

from bandit_platform.domain.lifecycle import State
from bandit_platform.errors import LeaseError, StorageError, UnavailableError, UnreadableError
from bandit_platform.services.collecting.ingest import Ingest
from bandit_platform.services.collecting.mature import Maturing, mature
from bandit_platform.services.collecting.nodes import OtherNodes, ThisNode
from bandit_platform.services.learning.learn import Learner
from bandit_platform.services.working.rounds import go_round
from bandit_platform.services.working.running_audit import RunningAudit
from bandit_platform.services.working.seat import Seat
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.experiments import experiment_heads, get_experiment
from bandit_platform.storage.lease import release_lease, take_lease

#: what learning waits at most for more interactions, after it took in only few
_GATHER_SECONDS = 1.0
_FEW = 500
_NODE_WAIT = timedelta(minutes=5)
_log = structlog.get_logger(__name__)


class Worker:
    """One worker of a deployment; several may run, one leads."""

    def __init__(
        self,
        database: Database,
        ingest: Ingest,
        clock: Callable[[], datetime],
        *,
        lease: timedelta,
        grace: timedelta,
        node_wait: timedelta = _NODE_WAIT,
        seat: Seat | None = None,
        audit: RunningAudit | None = None,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._ingest = ingest
        self._clock = clock
        self._lease = lease
        self._grace = grace
        self._seat = seat
        self._audit = audit
        #: a worker that held this node's seat and is dead, until its lead has been released
        self._former: str | None = None
        self._holder = f"{socket.gethostname()}-{os.getpid()}-{token_hex(4)}"
        self._learner = Learner(database, self._holder)
        if seat is not None:
            self._former = seat.take(self._holder)
        self._drained_at: datetime | None = None
        self._node = ThisNode(ingest.folder)
        self._others = OtherNodes(self._node, node_wait, stopwatch)
        #: the moment up to which every node that is waited for has drained its journal
        self._all_drained: datetime | None = None
        self._revisions: dict[str, int] = {}
        #: experiment → revision at the last look, in any state
        self._seen: dict[str, int] = {}
        #: experiment → why its spec cannot be read; it waits, and the others go on
        self._unreadable: dict[str, str] = {}
        #: experiments with interactions to take in
        self._behind: set[str] = set()
        #: experiments whose rows the database refused, unless it was away altogether
        self._refused: set[str] = set()
        self._stopwatch = stopwatch
        #: seconds between steps of learning that take in few interactions
        self._gather_seconds = 0.0
        #: experiment → when it last took in few, by the stopwatch
        self._took_few: dict[str, float] = {}
        #: experiment → when its last step of learning began, by the stopwatch
        self._had_its_turn: dict[str, float] = {}
        #: experiment → when a learned model may be published
        self._to_publish: dict[str, datetime] = {}

    def round(self) -> bool:
        """One round of everything.

        Returns:
            Whether anything was done, so that the next round should follow at once.

        Raises:
            UnavailableError: the database did not answer or the lead was lost.
        """
        began = self._clock()
        ingested = self._ingest.run_once()
        if ingested.drained:
            self._drained_at = began
        with self._database.write() as connection:
            if self._former is not None:
                release_lease(connection, self._former)
            leads = take_lease(connection, self._holder, self._clock(), self._lease)
            self._node.note(connection, began if ingested.drained else None, self._clock())
            if leads:
                self._all_drained = self._look_at_others(connection)
        self._former = None
        if not leads:
            self._others.forget()
            self._revisions = {}  # once it leads, whatever another worker matured may be behind
            return ingested.records > 0
        self._notice_changes()
        matured = Maturing()
        if self._all_drained is not None:
            until = self._all_drained - self._grace
            matured = mature(self._database, self._holder, until, self._unreadable)
        self._behind.update(matured.experiments)
        learned = self._learn()
        self._audit_some()
        return ingested.records > 0 or matured.decisions > 0 or learned > 0

    def run(
        self, stop: Event, idle_seconds: float, gather_seconds: float = _GATHER_SECONDS
    ) -> None:
        """Work until ``stop`` is set; trouble is logged and tried again.

        Where little arrives, learning waits for more of it: each step writes where every policy
        stands, which for a handful of interactions is a thousand times their size.
        """
        self._gather_seconds = gather_seconds
        go_round(self.round, stop, idle_seconds)
        try:
            self._finish()
        except UnavailableError as error:
            _log.warning("lead not released", error=str(error))
        if self._seat is not None:
            self._seat.leave()

    def _look_at_others(self, connection: Connection) -> datetime | None:
        others = self._others.drained_until(connection, self._clock())
        if self._drained_at is None or others is None:
            return self._drained_at
        return min(self._drained_at, others)

    def _finish(self) -> None:
        """Take over what arrived last, say so, and give the lead up."""
        began = self._clock()
        drained = False
        try:
            drained = self._ingest.run_once().drained
        except UnavailableError:
            raise
        except Exception:  # noqa: BLE001 - the lead is released whatever a journal holds
            _log.exception("last round failed")
        with self._database.write() as connection:
            self._node.note(connection, began if drained else None, self._clock())
            release_lease(connection, self._holder)

    def _audit_some(self) -> None:
        """Recompute a few of the decisions that came in; trouble with it holds up nothing."""
        if self._audit is None or self._all_drained is None:
            return
        until = self._all_drained - self._grace
        try:
            self._audit.step(self._holder, self._revisions, until, self._clock())
        except UnavailableError:
            raise
        except Exception:  # noqa: BLE001 - whatever is stored, the work goes on
            _log.exception("running audit failed")

    def _notice_changes(self) -> None:
        with self._database.read() as connection:
            heads = experiment_heads(connection)
            self._unreadable = {
                key: why
                for key, (_, revision) in heads.items()
                if (revision != self._seen.get(key) or key in self._unreadable)
                and (why := self._why_unreadable(connection, key)) is not None
            }
        self._seen = {key: revision for key, (_, revision) in heads.items()}
        live = {
            key: revision
            for key, (state, revision) in heads.items()
            if state not in {State.DRAFT, State.ARCHIVED} and key not in self._unreadable
        }
        self._behind.update(
            key for key, revision in live.items() if self._revisions.get(key) != revision
        )
        self._revisions = live

    def _is_worthwhile(self, key: str) -> bool:
        """Whether an experiment that took in few interactions has waited for more of them."""
        last = self._took_few.get(key)
        return last is None or self._stopwatch() - last >= self._gather_seconds

    def _why_unreadable(self, connection: Connection, key: str) -> str | None:
        try:
            get_experiment(connection, key)
        except UnreadableError as error:
            if self._unreadable.get(key) != str(error):
                _log.error("experiment waits", experiment=key, error=str(error))
            return str(error)
        return None

    def _in_turn(self, keys: Collection[str]) -> list[str]:
        """Those that the database refused last, of the others those first that waited longest."""
        turn = self._had_its_turn
        return sorted(keys, key=lambda key: (key in self._refused, turn.get(key, -inf), key))

    def _learn(self) -> int:
        """A step for each experiment that is behind, as long as the lead is sure to last."""
        now, began = self._clock(), self._stopwatch()
        due = {key for key, moment in self._to_publish.items() if moment <= now}
        taken = 0
        waiting = {key for key in self._behind if self._is_worthwhile(key)} | due
        waiting &= set(self._revisions)
        for key in self._in_turn(waiting):
            moment = self._stopwatch()
            if moment - began > self._lease.total_seconds() / 2:
                break  # the next round follows at once, with the lead renewed
            self._had_its_turn[key] = moment
            try:
                result = self._learner.learn(key, now)
            except LeaseError:
                raise
            except StorageError:
                self._refused.add(key)  # it comes last in the next round, after the others
                raise
            except Exception:  # noqa: BLE001 - one experiment must not hold up the others
                _log.exception("learning failed", experiment=key)
                self._behind.discard(key)
                continue
            self._refused.discard(key)
            taken += result.taken
            self._took_few.pop(key, None)
            if 0 < result.taken < _FEW:
                self._took_few[key] = self._stopwatch()
            if not result.taken:
                self._behind.discard(key)
            self._to_publish.pop(key, None)
            if result.publish_at is not None:
                self._to_publish[key] = result.publish_at
        return taken

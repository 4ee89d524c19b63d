"""Recomputing decisions as they come in, a few at a time, beside the worker's rounds.

It takes a small share of the worker's time, keeps how far it came, and goes on there after a
restart. What arrives later than it has looked is left to ``bandit-platform audit``, which looks
at everything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime

from bandit_platform.services.reporting.audit import Auditor
from bandit_platform.storage.audit_state import AuditState, audit_states, put_audit_state
from bandit_platform.storage.database import Database
from bandit_platform.storage.decisions import DecisionRows, decision_rows, readable
from bandit_platform.storage.lease import demand_lease
from bandit_platform.storage.statements import from_micros, to_micros

#: Decisions looked at in one step.
_BATCH = 200
#: Of the worker's time, so much may be taken.
_SHARE = 0.05
_NEWEST = 20


class RunningAudit:
    """The worker's continuous audit of every running experiment."""

    def __init__(
        self,
        database: Database,
        secret: bytes,
        *,
        share: float = _SHARE,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            database: of the deployment.
            secret: of the deployment, which seeds and ids are keyed with.
            share: of the time that may be spent here, above 0 and at most 1.
            stopwatch: seconds that only grow.
        """
        self._database = database
        self._secret = secret
        self._share = share
        self._stopwatch = stopwatch
        self._next = -float("inf")
        self._auditors: dict[str, Auditor] = {}
        self._turn = 0

    def step(self, holder: str, experiments: Iterable[str], until: datetime, now: datetime) -> int:
        """Look at the next decisions of one experiment, if it is time to.

        Args:
            holder: the worker, which must lead.
            experiments: keys; they take turns.
            until: everything decided before is in the database.
            now: the present moment.

        Returns:
            How many decisions were looked at.

        Raises:
            UnavailableError: another worker leads, or the database did not answer.
        """
        began = self._stopwatch()
        keys = sorted(experiments)
        if began < self._next or not keys:
            return 0
        checked = 0
        for _ in keys:
            self._turn = (self._turn + 1) % len(keys)
            checked = self._look(holder, keys[self._turn], until, now)
            if checked:
                break
        took = self._stopwatch() - began
        self._next = began + took / self._share
        return checked

    def _look(self, holder: str, key: str, until: datetime, now: datetime) -> int:
        with self._database.read() as connection:
            state = audit_states(connection).get(key)
            after = (to_micros(state.position[0]), state.position[1]) if state else None
            found = decision_rows(connection, key, None, after=after, limit=_BATCH)
        batch = found.chosen(lambda row: _is_before(row.decided_at, until))
        if not batch:
            return 0
        wrong = self._wrong(key, batch)
        last = batch[-1]
        with self._database.write() as connection:
            demand_lease(connection, holder)
            state = audit_states(connection).get(key)  # some may have been forgotten meanwhile
            now_at = AuditState(
                position=(from_micros(last.decided_at), last.decision_id),
                checked=(state.checked if state else 0) + len(batch),
                mismatches=(state.mismatches if state else 0) + len(wrong),
                newest=(*reversed(wrong), *(state.newest if state else ()))[:_NEWEST],
                checked_at=now,
            )
            put_audit_state(connection, key, now_at)
        return len(batch)

    def _wrong(self, key: str, batch: DecisionRows) -> list[tuple[str, str]]:
        if key not in self._auditors:
            self._auditors[key] = Auditor(self._database, self._secret, key)
        auditor = self._auditors[key]
        unreadable: dict[str, str] = {}
        return [
            (decision.decision_id, what)
            for decision in readable(batch, unreadable)
            if (what := auditor.mismatch(decision)) is not None
        ] + list(unreadable.items())


def _is_before(micros: int, until: datetime) -> bool:
    """Whether a stored moment is one, and before another."""
    try:
        return from_micros(micros) < until
    except (TypeError, OverflowError):
        return False

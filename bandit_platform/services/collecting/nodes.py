"""How far each node's journal is in the database, and so up to when decisions may mature.

A decision must not mature before every event that any node acknowledged inside its window is in
the database. So each node records how far it has drained its journal. Its ``work`` or ``ingest``
does that as it moves the journal; its ``serve`` announces the node, so that one whose ``ingest``
was never started counts as well. The leading worker waits for the node that is furthest behind.

The leader waits for a silent node for a limited time, measured by its own stopwatch, because clocks
of nodes may differ. Time in which the leader cannot read the database does not count as silence. A
node with no serving process and an empty journal is removed.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from bandit_platform.domain.actor import Actor
from bandit_platform.domain.audit_entry import subject_of
from bandit_platform.errors import ConflictError, NotFoundError
from bandit_platform.journal.node import has_writers, node_id
from bandit_platform.journal.pending import pending
from bandit_platform.journal.reader import segments
from bandit_platform.storage.audit_log import note
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.nodes import (
    Node,
    find_node,
    give_up_node,
    nodes,
    note_node,
    remove_node,
)
from bandit_platform.storage.positions import journal_positions

#: a node that was heard of less than this ago need not be announced again
_ANNOUNCE_SECONDS = 5.0
#: a node that was heard of less than this ago is alive
_ALIVE_SECONDS = 15.0
#: between two looks of the leader no node is silent for longer than this
_LONGEST_LOOK_SECONDS = 5.0
_log = structlog.get_logger(__name__)


class ThisNode:
    """The node whose journal is in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._host = socket.gethostname()
        self._id: str | None = None

    @property
    def node_id(self) -> str:
        """Its identity.

        Raises:
            OSError: the folder cannot be used.
        """
        if self._id is None:
            self._id = node_id(self._folder)
        return self._id

    def note(self, connection: Connection, drained_until: datetime | None, now: datetime) -> None:
        """Record, as the process that moves the journal, how far that is.

        Args:
            connection: a transaction that writes, after the one that stored the records.
            drained_until: everything acknowledged up to this moment is stored; None if unknown.
            now: the present moment.
        """
        with suppress(OSError):
            known = find_node(connection, self.node_id)
            if self.in_use():
                self._write(connection, drained_until, now)
            elif known is not None:
                remove_node(connection, known)

    def announce(self, database: Database, now: datetime) -> None:
        """Record, as a process that serves, that this node lives, unless another one just did.

        Raises:
            StorageError: the database did not answer.
        """
        with suppress(OSError):
            with database.read() as connection:
                known = find_node(connection, self.node_id)
            limit = timedelta(seconds=_ANNOUNCE_SECONDS)
            if known is None or known.given_up_at or abs(now - known.seen_at) >= limit:
                with database.write() as connection:
                    self._write(connection, None, now)

    def in_use(self) -> bool:
        """Whether a process of this node may append to its journal, or left something in it."""
        return has_writers(self._folder) or bool(segments(self._folder))

    def _write(self, connection: Connection, drained_until: datetime | None, now: datetime) -> None:
        first = None
        if drained_until is None:
            first = pending(self._folder, journal_positions(connection)).oldest
        note_node(
            connection,
            self.node_id,
            self._host,
            now,
            drained_until=drained_until,
            first_drained_until=first,
        )


class OtherNodes:
    """What the leader knows of the nodes beside its own."""

    def __init__(
        self,
        this: ThisNode,
        wait: timedelta,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._this = this
        self._wait = wait.total_seconds()
        self._stopwatch = stopwatch
        self._looked: float | None = None
        #: node → when it was last heard of by its clock, and seconds of silence since
        self._silence: dict[str, tuple[datetime, float]] = {}

    def forget(self) -> None:
        """Begin anew: another worker leads."""
        self._looked, self._silence = None, {}

    def drained_until(self, connection: Connection, now: datetime) -> datetime | None:
        """Up to when everything they acknowledged is stored; None where there is none to wait for.

        Args:
            connection: a transaction that writes.
            now: the present moment.
        """
        moment = self._stopwatch()
        passed = 0.0 if self._looked is None else moment - self._looked
        self._looked = moment
        waited_for = [
            node
            for node in nodes(connection)
            if node.given_up_at is None and node.node_id != self._own_id()
        ]
        known, self._silence = self._silence, {}
        drained: list[datetime] = []
        for node in waited_for:
            seen_at, silent = known.get(node.node_id, (node.seen_at, 0.0))
            silent = silent + min(passed, _LONGEST_LOOK_SECONDS) if node.seen_at == seen_at else 0.0
            if silent >= self._wait and give_up_node(connection, node, now):
                _log.error(
                    "maturity no longer waits for a silent node",
                    node=node.label,
                    silent_seconds=round(silent),
                )
                continue
            self._silence[node.node_id] = node.seen_at, silent
            drained.append(node.drained_until)
        return min(drained, default=None)

    def _own_id(self) -> str | None:
        with suppress(OSError):
            return self._this.node_id
        return None


def retire_node(database: Database, name: str, now: datetime, by: Actor) -> Node:
    """Remove a node that will not come back; maturity stops waiting for it and warnings end.

    Args:
        database: of the deployment.
        name: the node's machine or the beginning of its identity, as ``node list`` shows them.
        now: the present moment.
        by: who retires it.

    Raises:
        NotFoundError: there is no such node.
        ConflictError: several are called so, or the node is alive and would announce itself again.
    """
    with database.write() as connection:
        found = [n for n in nodes(connection) if n.host == name or n.node_id.startswith(name)]
        if not found:
            raise NotFoundError("there is no such node; bandit-platform node list shows all nodes")
        if len(found) > 1:
            ids = ", ".join(node.node_id for node in found)
            raise ConflictError(f"{len(found)} nodes match this name; use the id of one: {ids}")
        (node,) = found
        silent = (now - node.seen_at).total_seconds()
        if node.given_up_at is None and abs(silent) < _ALIVE_SECONDS:
            raise ConflictError(
                f"{node.label} was active {max(0.0, silent):.0f} s ago; stop its processes first"
            )
        remove_node(connection, node)
        note(connection, now, by, "node.retired", subject_of("node", node.node_id))
        return node

"""Ingest on a node without a worker: moves the journal and records the progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from bandit_platform.services.collecting.ingest import Ingest
from bandit_platform.services.collecting.nodes import ThisNode
from bandit_platform.storage.database import Database

#: between records of how far it is; maturity is later by up to this
_NOTE_SECONDS = 0.5
_FINISH_SECONDS = 5.0
_STEP_SECONDS = 0.05


class NodeIngest:
    """Moves one node's journal and records how far, for nodes without a worker."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        clock: Callable[[], datetime],
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._ingest = Ingest(database, folder)
        self._node = ThisNode(folder)
        self._clock = clock
        self._stopwatch = stopwatch
        self._noted: float | None = None

    def round(self) -> bool:
        """One round; whether it moved anything, so that the next should follow at once.

        Raises:
            StorageError: the database did not answer; nothing was lost and nothing counted.
        """
        began = self._clock()
        ingested = self._ingest.run_once()
        moment = self._stopwatch()
        if self._noted is None or moment - self._noted >= _NOTE_SECONDS:
            self._note(began if ingested.drained else None)
            self._noted = moment
        return ingested.records > 0

    def finish(self, seconds: float = _FINISH_SECONDS) -> None:
        """Move what processes of this node append that end at the same time, then say how far."""
        deadline = self._stopwatch() + seconds
        while self._node.in_use() and self._stopwatch() < deadline:
            if not self.round():
                time.sleep(_STEP_SECONDS)
        began = self._clock()
        self._note(began if self._ingest.run_once().drained else None)

    def _note(self, drained_until: datetime | None) -> None:
        with self._database.write() as connection:
            self._node.note(connection, drained_until, self._clock())

"""Whether the console can do its work: asked of the database once a second at most.

Load balancers and people's scripts ask often and without a key, so what they ask must cost nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

import structlog

from bandit_platform.errors import BanditPlatformError
from bandit_platform.logs import SeldomLog
from bandit_platform.services.serving.readiness import Readiness, loop_warnings
from bandit_platform.services.serving.upkeep import UpkeepWatch
from bandit_platform.storage.database import Database

_KEPT_SECONDS = 1.0
_OTHER_TABLES = "the tables are of another version; restart the console with the one that made them"
_seldom = SeldomLog(structlog.get_logger(__name__))


class ConsoleReadiness:
    """The readiness of the console, as it was less than a second ago."""

    def __init__(
        self,
        database: Database,
        watch: UpkeepWatch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._watch = watch
        self._clock = clock
        self._lock = Lock()
        self._found: Readiness | None = None
        self._looked = 0.0

    def __call__(self) -> Readiness:
        """One caller looks; those who come meanwhile are told what is known."""
        found = self._found
        if found is not None and self._clock() - self._looked < _KEPT_SECONDS:
            return found
        if not self._lock.acquire(blocking=found is None):
            return found or Readiness(why="the database does not answer")
        try:
            if self._found is found:
                self._found = self._look()
                self._looked = self._clock()
            return self._found or self._look()
        finally:
            self._lock.release()

    def _look(self) -> Readiness:
        try:
            current = self._database.is_current()
        except BanditPlatformError as error:  # where and what the database is, is for the log
            _seldom.error("not ready", error=str(error))
            return Readiness(why="the database does not answer")
        self._watch.refresh()
        warnings = loop_warnings(self._watch.look())
        return Readiness(warnings=warnings if current else (*warnings, _OTHER_TABLES))

"""Whether the loop behind the decisions keeps up: journal, ingest, worker, models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event, Thread

import structlog

from bandit_platform.errors import UnavailableError
from bandit_platform.journal.pending import pending
from bandit_platform.logs import SeldomLog
from bandit_platform.services.collecting.ingest import DEPLOYMENT
from bandit_platform.storage.database import Database
from bandit_platform.storage.nodes import Node
from bandit_platform.storage.standing import Standing, standing

_seldom = SeldomLog(structlog.get_logger(__name__))
_UNKNOWN = Standing(
    positions={},
    models={},
    learned={},
    left_out={},
    failures={},
    torn=0.0,
    damaged_lines=0.0,
    led_until=None,
)


@dataclass(frozen=True, kw_only=True)
class NodeUpkeep:
    """How one node keeps up."""

    node_id: str
    #: machine and the beginning of the identity
    label: str
    #: how long ago the moment is up to which its journal is in the database
    lag_seconds: float
    #: since one of its processes was heard of
    silent_seconds: float
    #: whether maturity no longer waits for it
    given_up: bool


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """A look at the loop. While the database is away, its part is what was seen last."""

    database_answers: bool
    #: bytes of this node's journal that are not in the database
    pending_bytes: int
    #: age of the oldest of them, in seconds
    lag_seconds: float
    #: journal lines cut off at the end of a segment, and other lines that were no records
    torn: float
    damaged_lines: float
    worker_leads: bool
    #: until when the last worker led; None before the first one, and when it gave up the lead
    led_until: datetime | None = None
    #: experiment → newest model version
    model_version: Mapping[str, int]
    #: experiment → seconds since that version was published
    model_age: Mapping[str, float]
    #: experiment → interactions the served policy has learned from
    learned: Mapping[str, int]
    #: experiment → (decisions the worker recomputed, those that did not agree)
    audited: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    #: experiment → decisions that two nodes made differently
    disputes: Mapping[str, float] = field(default_factory=dict)
    #: experiment → decisions of page traffic above a limit
    over_limit: Mapping[str, float] = field(default_factory=dict)
    #: experiment → decisions whose request had undeclared fields, which were dropped
    dropped_fields: Mapping[str, float] = field(default_factory=dict)
    #: experiment → interactions that no policy could take in
    left_out: Mapping[str, int] = field(default_factory=dict)
    #: experiment → interactions on which some policy's model failed
    failures: Mapping[str, int] = field(default_factory=dict)
    #: experiment → newest model version, which is damaged, as far as this process knows
    damaged: Mapping[str, int] = field(default_factory=dict)
    #: nodes that may hold records which are not in the database
    nodes: tuple[NodeUpkeep, ...] = ()
    #: experiments that this process could not refresh
    unread: int = 0


class UpkeepWatch:
    """Looks at database and journal; looking at the database may happen in the background."""

    def __init__(self, database: Database, folder: Path, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._folder = folder
        self._clock = clock
        self._standing = _UNKNOWN
        self._answers = False
        self._stop = Event()

    def refresh(self) -> None:
        """Ask the database; without an answer, what it said last stays."""
        try:
            with self._database.read() as connection:
                self._standing = standing(connection, deployment=DEPLOYMENT)
            self._answers = True
        except UnavailableError:
            self._answers = False

    def keep_fresh(self, seconds: float, announce: Callable[[], None] | None = None) -> None:
        """Refresh in a background thread until :meth:`close`.

        Args:
            seconds: between two looks.
            announce: says in the database that this node serves, after each look.
        """

        def run() -> None:
            wait = 0.0
            while not self._stop.wait(wait):
                wait = seconds
                try:
                    self.refresh()
                    if announce is not None and self._answers:
                        announce()
                except UnavailableError as error:
                    _seldom.warning("node not announced", error=str(error))
                except Exception as error:  # noqa: BLE001 - the thread must outlive any trouble
                    _seldom.error("upkeep unknown", exc_info=error)

        Thread(target=run, name="upkeep", daemon=True).start()

    def look(self) -> Upkeep:
        """The loop now, without waiting for the database."""
        now, known = self._clock(), self._standing
        waiting = pending(self._folder, known.positions)
        return Upkeep(
            database_answers=self._answers,
            pending_bytes=waiting.size,
            lag_seconds=_age(now, waiting.oldest) if waiting.oldest else 0.0,
            torn=known.torn,
            damaged_lines=known.damaged_lines,
            worker_leads=known.led_until is not None and now < known.led_until,
            led_until=known.led_until,
            model_version={key: version for key, (version, _) in known.models.items()},
            model_age={key: _age(now, moment) for key, (_, moment) in known.models.items()},
            learned=known.learned,
            audited=known.audited,
            disputes=known.disputes,
            over_limit=known.over_limit,
            dropped_fields=known.dropped_fields,
            left_out=known.left_out,
            failures=known.failures,
            nodes=tuple(_node_upkeep(node, now) for node in known.nodes),
        )

    def close(self) -> None:
        """Stop refreshing."""
        self._stop.set()


def _node_upkeep(node: Node, now: datetime) -> NodeUpkeep:
    return NodeUpkeep(
        node_id=node.node_id,
        label=node.label,
        lag_seconds=_age(now, node.drained_until),
        silent_seconds=_age(now, node.seen_at),
        given_up=node.given_up_at is not None,
    )


def _age(now: datetime, moment: datetime) -> float:
    return max(0.0, (now - moment).total_seconds())

"""Builds what a serving process needs and imports nothing else, to be back soon when killed."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from bandit_platform.domain.decision import Decision
from bandit_platform.errors import UnavailableError, UnreadableError
from bandit_platform.journal.writer import JournalWriter
from bandit_platform.logs import configure_logs
from bandit_platform.services.collecting.nodes import ThisNode
from bandit_platform.services.people.deployment_secret import demand_secret
from bandit_platform.services.serving.decide import Decider
from bandit_platform.services.serving.page_limits import PageLimits
from bandit_platform.services.serving.record_events import EventRecorder
from bandit_platform.services.serving.registry import Registry
from bandit_platform.services.serving.upkeep import UpkeepWatch
from bandit_platform.settings import Settings, load_secret
from bandit_platform.storage.database import Database
from bandit_platform.storage.decisions import get_decision

Clock = Callable[[], datetime]
_LOOKUP_SECONDS = 0.25
_LOOKUP_PAUSE_SECONDS = 5.0
_WATCH_SECONDS = 2.0
_CHECK_SECONDS = 2.0


def utc_now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What one serving process needs."""

    registry: Registry
    decider: Decider
    recorder: EventRecorder
    journal: JournalWriter
    upkeep: UpkeepWatch
    clock: Clock


def build_serving(settings: Settings, clock: Clock = utc_now) -> Serving:
    """A serving process's services; its registry keeps itself fresh in the background."""
    configure_logs()
    secret = load_secret(settings)
    database = Database(settings.database, busy_seconds=_LOOKUP_SECONDS)
    registry = Registry(database, lambda: demand_secret(database, secret, adopt=True))
    try:
        with closing(Database(settings.database)) as patient:
            patient.ensure_ready()
            demand_secret(patient, secret, adopt=True)
        registry.refresh()
    except UnavailableError as error:
        registry.note_trouble(error)
    registry.keep_fresh(settings.refresh_seconds)
    journal = JournalWriter(
        settings.journal_dir,
        segment_bytes=settings.journal_segment_bytes,
        fsync=settings.journal_fsync,
    )
    node = ThisNode(settings.journal_dir)
    upkeep = UpkeepWatch(database, settings.journal_dir, clock)
    if registry.loaded:  # before it acknowledges anything; else as soon as the database answers
        with suppress(UnavailableError):
            node.announce(database, clock())
    upkeep.keep_fresh(_WATCH_SECONDS, lambda: node.announce(database, clock()))
    return Serving(
        registry=registry,
        decider=Decider(
            registry,
            journal,
            secret,
            clock,
            _stored_decision(database),
            limits=PageLimits(unit=settings.unit_limit, address=settings.address_limit),
        ),
        recorder=EventRecorder(journal, secret, clock, registry.knows),
        journal=journal,
        upkeep=upkeep,
        clock=clock,
    )


def check_secret(settings: Settings) -> None:
    """See that the database belongs to this node's secret, where it answers.

    Raises:
        SecretError: it belongs to another one.
    """
    database = Database(settings.database, busy_seconds=_CHECK_SECONDS)
    with closing(database), suppress(UnavailableError):
        database.ensure_ready()
        demand_secret(database, load_secret(settings), adopt=True)


def _stored_decision(database: Database) -> Callable[[str], Decision | None]:
    """Looks a decision up, and stops asking a database that does not answer for a while.

    A server over the network can stop answering without closing its connections, and then nothing
    returns; so it is asked from another thread, which costs less than its answer takes.
    """
    quiet_until = 0.0
    helper = None if database.is_sqlite else ThreadPoolExecutor(1, "stored-decision")

    def ask(decision_id: str) -> Decision | None:
        with database.read() as connection:
            return get_decision(connection, decision_id)

    def look_up(decision_id: str) -> Decision | None:
        nonlocal quiet_until
        if time.monotonic() < quiet_until:
            return None
        try:
            if helper is None:
                return ask(decision_id)
            return helper.submit(ask, decision_id).result(_LOOKUP_SECONDS)
        except UnreadableError:
            return None  # it was damaged: the shopper gets another one
        except (UnavailableError, TimeoutError):
            quiet_until = time.monotonic() + _LOOKUP_PAUSE_SECONDS
            return None

    return look_up

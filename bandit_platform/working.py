"""Builds what the worker needs and imports nothing else, to be back soon when killed."""

from __future__ import annotations

from datetime import timedelta

from bandit_platform.logs import configure_logs
from bandit_platform.services.asking.questions import Questions
from bandit_platform.services.collecting.ingest import Ingest
from bandit_platform.services.collecting.node_ingest import NodeIngest
from bandit_platform.services.people.deployment_secret import demand_secret
from bandit_platform.services.working.running_audit import RunningAudit
from bandit_platform.services.working.seat import Seat
from bandit_platform.services.working.work import Worker
from bandit_platform.serving import Clock, utc_now
from bandit_platform.settings import Settings, load_secret
from bandit_platform.storage.database import Database


def build_ingest(settings: Settings, clock: Clock = utc_now) -> NodeIngest:
    """The mover of this node's journal."""
    configure_logs()
    database = Database(settings.database)
    database.ensure_ready()
    demand_secret(database, load_secret(settings), adopt=True)
    return NodeIngest(database, settings.journal_dir, clock)


def build_questions(settings: Settings, clock: Clock = utc_now) -> Questions:
    """The questions, to see which wait."""
    configure_logs()
    keep = timedelta(days=settings.question_days)
    return Questions(Database(settings.database), clock, keep)


def build_worker(settings: Settings, clock: Clock = utc_now) -> Worker:
    """A worker."""
    configure_logs()
    database = Database(settings.database)
    database.ensure_ready()
    secret = load_secret(settings)
    demand_secret(database, secret, adopt=True)
    return Worker(
        database,
        Ingest(database, settings.journal_dir),
        clock,
        lease=timedelta(seconds=settings.lease_seconds),
        grace=timedelta(seconds=settings.grace_seconds),
        node_wait=timedelta(seconds=settings.node_wait_seconds),
        seat=Seat(settings.data_dir / "worker.lock"),
        audit=RunningAudit(database, secret),
    )

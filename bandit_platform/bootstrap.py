"""Builds the services from settings, in one place and without a framework."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bandit_platform.domain.actor import PLATFORM, Actor
from bandit_platform.domain.audit_entry import AuditEntry
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.keyed_hash import keyed_hash
from bandit_platform.domain.lifecycle import Action, State
from bandit_platform.domain.selection import EVERYTHING, Selection, parse_selection
from bandit_platform.logs import configure_logs
from bandit_platform.services.asking.answer import Answerer
from bandit_platform.services.asking.questions import KEPT, Questions
from bandit_platform.services.collecting.forget import Forgotten, forget
from bandit_platform.services.collecting.nodes import retire_node
from bandit_platform.services.deployments.deployments import Deployments
from bandit_platform.services.evaluation.export import export
from bandit_platform.services.evaluation.log_writers import Kind
from bandit_platform.services.launching.experiments import Applied, Experiments
from bandit_platform.services.learning.recompute import RecomputedRow, recompute
from bandit_platform.services.people.attempts import Attempts
from bandit_platform.services.people.deployment_secret import demand_secret
from bandit_platform.services.people.keys import Keys
from bandit_platform.services.people.sign_in import SignIn
from bandit_platform.services.people.users import Users
from bandit_platform.services.reporting.audit import Audit, audit
from bandit_platform.services.reporting.data_quality import (
    DataQuality,
    data_quality,
    overdue_before,
)
from bandit_platform.services.reporting.find_decisions import DecisionFinder
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.services.reporting.report_records import ExperimentReport
from bandit_platform.services.reporting.trace import trace
from bandit_platform.services.serving.upkeep import Upkeep
from bandit_platform.serving import Clock, Serving, build_serving, utc_now
from bandit_platform.settings import Settings, load_secret
from bandit_platform.storage.audit_log import EVERYONE, Sought, entries
from bandit_platform.storage.audit_state import audit_states
from bandit_platform.storage.database import Database
from bandit_platform.storage.decisions import count_overdue
from bandit_platform.storage.exclusions import Place, exclusions
from bandit_platform.storage.nodes import Node, nodes
from bandit_platform.storage.traffic import decisions_per_day
from bandit_platform.working import build_ingest, build_questions, build_worker

if TYPE_CHECKING:
    from bandit_platform.ope.evaluating.plan import Options
    from bandit_platform.ope.evaluating.report import EvaluationReport

__all__ = [
    "Clock",
    "Platform",
    "Serving",
    "build",
    "build_answerer",
    "build_console",
    "build_ingest",
    "build_questions",
    "build_serving",
    "build_worker",
    "utc_now",
]


#: how long a page of the console waits for a locked database, before it says so
PAGE_SECONDS = 1.0


class Platform:
    """What console and command line can do with a deployment."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        secret: Callable[[], bytes],
        keep_questions: timedelta = KEPT,
    ) -> None:
        self.database = database
        self._load_secret = secret
        self.experiments = Experiments(database, clock)
        self.deployments = Deployments(database, clock)
        self.keys = Keys(database, clock)
        self.questions = Questions(database, clock, keep_questions)
        self.users = Users(database, clock)
        self.sign_in = SignIn(database, clock)
        self.clock = clock

    @cached_property
    def _secret(self) -> bytes:
        """The deployment's secret, once it is known to be the one of the stored data.

        Raises:
            SecretError: it is another one.
            StorageError: the database did not answer.
        """
        return self._load_secret()

    @cached_property
    def decisions(self) -> DecisionFinder:
        """Finds decisions."""
        return DecisionFinder(self.database, self._secret)

    @cached_property
    def attempts(self) -> Attempts:
        """Failed sign-ins."""
        return Attempts(self.database, self.clock, self._secret)

    def cookie_secret(self) -> bytes:
        """What the console signs its cookies with; it tells nothing about the secret itself."""
        return keyed_hash(self._secret, b"console-cookie", size=32)

    def apply_experiment(
        self, spec: ExperimentSpec, by: Actor = PLATFORM, *, based_on: int | None = None
    ) -> Applied:
        """See :meth:`Experiments.apply`."""
        return self.experiments.apply(spec, by, based_on=based_on)

    def change_state(self, key: str, action: Action, by: Actor = PLATFORM) -> State:
        """See :meth:`Experiments.change_state`."""
        return self.experiments.change_state(key, action, by)

    def report(self, key: str) -> ExperimentReport:
        """See :func:`experiment_report`."""
        return experiment_report(self.database, key, self.clock())

    def whole_report(self, key: str) -> ExperimentReport:
        """The report with segments and policies over one another."""
        return experiment_report(self.database, key, self.clock(), whole=True)

    def reports(self, *, archived: bool = False) -> list[ExperimentReport]:
        """The report of every experiment that is not archived, or of those that are."""
        return [
            experiment_report(self.database, each.spec.key, self.clock(), happened=False)
            for each in self.experiments.all()
            if (each.state is State.ARCHIVED) is archived
        ]

    def decisions_per_day(self, key: str) -> float:
        """See :func:`decisions_per_day`."""
        with self.database.read() as connection:
            return decisions_per_day(connection, key, self.clock())

    def recompute(self, key: str) -> Iterator[RecomputedRow]:
        """See :func:`recompute`."""
        return recompute(self.database, key)

    def selection(
        self, key: str, *, since: str = "", until: str = "", where: Sequence[str] = ()
    ) -> Selection:
        """See :func:`parse_selection`; moments are in the experiment's time zone."""
        spec = self.experiments.get(key).spec
        return parse_selection(
            spec.context, spec.report.time_zone, since=since, until=until, where=where
        )

    def evaluate(
        self,
        key: str,
        policies: Sequence[str],
        options: Options,
        selection: Selection = EVERYTHING,
    ) -> EvaluationReport:
        """See :func:`evaluate_live`."""
        from bandit_platform.services.evaluation.evaluate_live import (  # noqa: PLC0415 - slow to import
            evaluate_live,
        )

        return evaluate_live(self.database, key, policies, options, selection=selection)

    def audit(self, key: str, since: datetime | None = None) -> Audit:
        """See :func:`audit`."""
        return audit(self.database, self._secret, key, since)

    def export(
        self,
        key: str,
        out: Path,
        kind: Kind,
        *,
        targets: bool = False,
        register: Path | None = None,
    ) -> Iterator[int]:
        """See :func:`export`."""
        return export(self.database, key, out, kind, targets=targets, register=register)

    def forget(
        self,
        unit_id: str,
        journal: Path,
        exports: Mapping[Path, Kind],
        register: Path,
        by: Actor = PLATFORM,
    ) -> Forgotten:
        """See :func:`forget`."""
        return forget(
            self.database, journal, self._secret, unit_id, exports=exports, register=register, by=by
        )

    def nodes(self) -> tuple[Node, ...]:
        """See :func:`nodes`."""
        with self.database.read() as connection:
            return nodes(connection)

    def retire_node(self, name: str, by: Actor = PLATFORM) -> Node:
        """See :func:`retire_node`."""
        return retire_node(self.database, name, self.clock(), by)

    def audit_log(
        self, sought: Sought = EVERYONE, *, most: int = 100, older_than: int | None = None
    ) -> list[AuditEntry]:
        """See :func:`entries`."""
        with self.database.read() as connection:
            return entries(connection, sought=sought, most=most, older_than=older_than)

    def exclusions(self, key: str) -> Mapping[Place, int]:
        """See :func:`exclusions`."""
        with self.database.read() as connection:
            return exclusions(connection, key)

    def quality(self, upkeep: Upkeep) -> DataQuality:
        """See :func:`data_quality`; of every experiment that is not archived."""
        reports = self.reports()
        limit = overdue_before(self.clock())
        with self.database.read() as connection:
            audits = audit_states(connection)
            looked_at = [
                (
                    each,
                    audits.get(each.experiment),
                    count_overdue(connection, each.experiment, limit),
                )
                for each in reports
            ]
        return data_quality(upkeep, looked_at)

    def trace(self, key: str, decision_id: str) -> dict[str, Any]:
        """See :func:`trace`."""
        return trace(self.database, key, decision_id, self._secret)


def build(settings: Settings, clock: Clock = utc_now) -> Platform:
    """The platform for console and command line."""
    configure_logs()
    database = Database(settings.database)
    database.ensure_ready()

    def secret() -> bytes:
        loaded = load_secret(settings)
        demand_secret(database, loaded, adopt=False)
        return loaded

    return Platform(database, clock, secret, _kept(settings))


def _kept(settings: Settings) -> timedelta:
    return timedelta(days=settings.question_days)


def build_console(settings: Settings, clock: Clock = utc_now) -> Platform:
    """The platform for the console, which serves only data of its secret.

    Raises:
        SecretError: the database belongs to another secret.
    """
    secret = load_secret(settings)
    with closing(build(settings, clock).database) as patient:
        demand_secret(patient, secret, adopt=True)
    database = Database(settings.database, busy_seconds=PAGE_SECONDS, lock_seconds=PAGE_SECONDS)
    return Platform(database, clock, lambda: secret, _kept(settings))


def build_answerer(settings: Settings, holder: str, clock: Clock = utc_now) -> Answerer:
    """What answers questions in a process of its own."""
    configure_logs()
    database = Database(settings.database)
    database.ensure_ready()
    return Answerer(database, clock, holder)

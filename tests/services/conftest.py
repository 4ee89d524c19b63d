"""A deployment in a folder: real journal, real database, real models, a clock that is set."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import text

from bandit_platform.bootstrap import configure_logs
from bandit_platform.domain.decision import Decision
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.identity import DecisionHashes, decision_id_for
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.journal.writer import JournalWriter
from bandit_platform.ope import PolicyAccumulator, RewardRange
from bandit_platform.services.collecting.ingest import Ingest, Ingested
from bandit_platform.services.collecting.mature import mature
from bandit_platform.services.deployments.deployments import Deployments
from bandit_platform.services.launching.experiments import Experiments
from bandit_platform.services.learning.learn import Learner
from bandit_platform.services.learning.recompute import RecomputedRow, recompute
from bandit_platform.services.learning.tracked import largest_weight, tracked_now
from bandit_platform.services.learning.weight_bounds import WeightBound
from bandit_platform.services.serving.decide import Decider
from bandit_platform.services.serving.page_limits import PageLimits
from bandit_platform.services.serving.query import Answer, Query
from bandit_platform.services.serving.record_events import EventRecorder, Receipt
from bandit_platform.services.serving.registry import Registry
from bandit_platform.services.working.work import Worker
from bandit_platform.storage.database import Database
from bandit_platform.storage.decisions import decisions_since, get_decision
from bandit_platform.storage.lease import take_lease
from bandit_platform.storage.models import ModelLine, model_states
from bandit_platform.storage.policy_states import PolicyState, policy_states
from bandit_platform.web.bodies import EventItem

KEY = "checkout-offers"
HOLDER = "the worker of this test"


@dataclass(frozen=True, kw_only=True)
class Server:
    """What one serving process holds."""

    registry: Registry
    journal: JournalWriter
    decider: Decider
    recorder: EventRecorder


class World:
    """One deployment, driven step by step."""

    def __init__(self, database: Database, folder: Path, secret: bytes, clock: Any) -> None:
        self.database = database
        self.folder = folder / "journal"
        self.secret = secret
        self.clock = clock
        self.experiments = Experiments(database, clock)
        self.deployments = Deployments(database, clock)
        self._units = itertools.count()
        self._events = itertools.count()
        self._servers: list[Server] = []
        self._first: Server | None = None
        #: of the servers made from now on; None for no limits
        self.limits: PageLimits | None = None

    # What a team does

    def launch(self, spec: ExperimentSpec | str) -> None:
        """Apply and start an experiment."""
        spec = parse_toml(spec) if isinstance(spec, str) else spec
        self.apply(spec)
        self.experiments.change_state(spec.key, Action.START)
        self.refresh()

    def apply(self, spec: ExperimentSpec | str) -> None:
        """Apply an experiment; servers know at once."""
        self.experiments.apply(parse_toml(spec) if isinstance(spec, str) else spec)
        self.refresh()

    def change(self, action: str, key: str = KEY) -> None:
        """Take a lifecycle step; servers know at once."""
        self.experiments.change_state(key, Action(action))
        self.refresh()

    # What shops do

    @property
    def server(self) -> Server:
        """The serving process that most tests need only one of."""
        if self._first is None:
            self._first = self.new_server()
        return self._first

    def new_server(self, *, segment_bytes: int = 10_000_000) -> Server:
        """Another serving process with a memory and a journal of its own."""
        registry = Registry(self.database)
        registry.refresh()
        journal = JournalWriter(self.folder, segment_bytes=segment_bytes)
        server = Server(
            registry=registry,
            journal=journal,
            decider=Decider(
                registry, journal, self.secret, self.clock, self._stored, limits=self.limits
            ),
            recorder=EventRecorder(journal, self.secret, self.clock, registry.knows),
        )
        self._servers.append(server)
        return server

    def refresh(self) -> None:
        """Let every server look for what is new."""
        for server in self._servers:
            server.registry.refresh()

    def _stored(self, decision_id: str) -> Decision | None:
        with self.database.read() as connection:
            return get_decision(connection, decision_id)

    def ask(self, unit: str | None = None, *, server: Server | None = None, **query: Any) -> Answer:
        """One request for a decision; a new unit unless one is named."""
        key = query.pop("experiment", KEY)
        fields: dict[str, Any] = {
            "unit_id": unit or f"unit-{next(self._units)}",
            "context": {"cart_value": 80.0, "country": "GB", "returning": True},
            "request_key": None,
            "eligible_arms": None,
            "excluded_arms": (),
            "defer_activation": False,
        }
        return (server or self.server).decider.decide(key, Query(**{**fields, **query}))

    def decide(self, unit: str | None = None, **query: Any) -> Decision:
        """As :meth:`ask`, the decision alone."""
        return self.ask(unit, **query).decision

    def measured(self, **query: Any) -> Decision:
        """A decision for a unit outside the holdout."""
        while True:
            decision = self.decide(**query)
            if decision.reason != "holdout":
                return decision

    def held_out(self, **query: Any) -> Decision:
        """A decision for a unit in the holdout."""
        while True:
            decision = self.decide(**query)
            if decision.reason == "holdout":
                return decision

    def report(
        self,
        decision: Decision | str | None,
        kind: str = "accept",
        *,
        trusted: bool = True,
        **event: Any,
    ) -> Receipt:
        """Report one outcome of a decision, happening now."""
        fields: dict[str, Any] = {
            "event_id": f"event-{next(self._events)}",
            "decision_id": decision.decision_id if isinstance(decision, Decision) else decision,
            "experiment": None,
            "request_key": None,
            "unit_id": None,
            "type": kind,
            "amount": None,
            "currency": None,
            "occurred_at": None,
        }
        experiments = event.pop("experiments", None)
        report = EventItem.model_construct(**{**fields, **event})
        recorder = self.server.recorder
        return recorder.record([report], trusted=trusted, experiments=experiments)[0]

    # What the worker does

    def ingest(self) -> Ingested:
        """One round of ingest over this node's journal."""
        return Ingest(self.database, self.folder).run_once()

    def lead(self, holder: str = HOLDER, seconds: float = 1e9) -> bool:
        """Take the lease."""
        with self.database.write() as connection:
            return take_lease(connection, holder, self.clock(), timedelta(seconds=seconds))

    def mature(self, until: datetime | None = None) -> int:
        """Mature everything due by ``until`` (now)."""
        self.lead()
        total = 0
        while matured := mature(self.database, HOLDER, until or self.clock()).decisions:
            total += matured
        return total

    def settle(self, seconds: float = 3600.0) -> int:
        """Let reward windows pass, then ingest and mature."""
        self.clock.advance(seconds)
        self.ingest()
        return self.mature()

    def learner(self) -> Learner:
        """A worker's learner that has just started."""
        self.lead()
        return Learner(self.database, HOLDER)

    def learn(self, learner: Learner | None = None, key: str = KEY) -> int:
        """Learn until nothing is left."""
        learner = learner or self.learner()
        total = 0
        while taken := learner.learn(key, self.clock()).taken:
            total += taken
        self.refresh()
        return total

    def worker(self, *, lease: float = 5.0, grace: float = 1.0, **options: Any) -> Worker:
        """A worker process over this node's journal."""
        return Worker(
            self.database,
            Ingest(self.database, self.folder),
            self.clock,
            lease=timedelta(seconds=lease),
            grace=timedelta(seconds=grace),
            **options,
        )

    def traffic(self, count: int, *, seconds: float = 1.0) -> list[Decision]:
        """Decisions ``seconds`` apart, some of them accepted, for contexts that differ."""
        made = []
        for number in range(count):
            self.clock.advance(seconds)
            returning = number % 2 == 0
            context = {
                "cart_value": 30.0 + 10.0 * (number % 9),
                "country": ("GB", "US", "DE")[number % 3],
                "returning": returning,
            }
            decision = self.decide(context=context)
            made.append(decision)
            likes = "insurance" if returning else "upgrade"
            if decision.arm == likes or number % 11 == 0:
                self.report(decision, "accept")
            elif decision.arm != "nothing" and number % 5 == 0:
                self.report(decision, "dismiss")
        return made

    # What is in the tables

    def rows(self, query: str, **values: Any) -> list[Any]:
        """Rows of a plain SQL query."""
        with self.database.read() as connection:
            return list(connection.execute(text(query), values).all())

    def one(self, query: str, **values: Any) -> Any:
        """The single value of a plain SQL query."""
        ((value,),) = self.rows(query, **values)
        return value

    def run(self, statement: str, **values: Any) -> None:
        """Change rows behind the platform's back."""
        with self.database.write() as connection:
            connection.execute(text(statement), values)

    def counter(self, name: str, key: str = KEY) -> float:
        """A running count; 0 where nothing was counted."""
        found = self.rows(
            "SELECT value FROM counter WHERE experiment = :key AND name = :name",
            key=key,
            name=name,
        )
        return float(found[0].value) if found else 0.0

    def states(self, key: str = KEY) -> dict[str, PolicyState]:
        """The progress of each tracked policy, by the name of its row."""
        spec = self.experiments.get(key).spec
        with self.database.read() as connection:
            states = policy_states(connection, key)
            tracked = tracked_now(connection, spec)
        return {p.name: states[p.identity] for p in tracked if p.identity in states}

    def stored(self, key: str = KEY) -> list[Decision]:
        """Every stored decision, in the order they were made."""
        with self.database.read() as connection:
            return decisions_since(connection, key, None, after=None, limit=1_000_000)

    def models(self, key: str = KEY) -> dict[str, ModelLine]:
        """The model of each learned policy as far as it has learned, by the name of its row."""
        spec = self.experiments.get(key).spec
        with self.database.read() as connection:
            front = {s.model_hash: s for s in model_states(connection, key) if s.line == 0}
            tracked = tracked_now(connection, spec)
        return {p.name: front[p.model] for p in tracked if p.model in front}

    def recomputed_rows(self, key: str = KEY) -> list[RecomputedRow]:
        """Every interaction of the policy traffic with what each policy would have done."""
        return list(recompute(self.database, key))

    def recomputed(self, key: str = KEY) -> dict[str, str]:
        """The accumulators that a recomputation from scratch gives, as they are stored."""
        spec = self.experiments.get(key).spec
        rows = self.recomputed_rows(key)
        low, high = spec.reward_range
        found = {}
        with self.database.read() as connection:
            tracked = tracked_now(connection, spec)
        bound = WeightBound.of_spec(spec)
        for policy in (each for each in tracked if each.pinned is None):
            accumulator = PolicyAccumulator.empty(
                reward_range=RewardRange(low=low, high=high),
                same_policy=policy.name == "always:nothing",
            )
            drawn = [row.eligible.index(row.arm) for row in rows]
            propensity = [row.pmf[at] for row, at in zip(rows, drawn, strict=True)]
            accumulator = accumulator.updated(
                weight=[
                    row.policies[policy.name][at] / p
                    for row, at, p in zip(rows, drawn, propensity, strict=True)
                ],
                baseline_weight=[
                    1.0 / p if row.arm == "nothing" else 0.0
                    for row, p in zip(rows, propensity, strict=True)
                ],
                reward=[row.reward for row in rows],
                max_weight=largest_weight(policy, bound),
                baseline_max_weight=bound.largest_nothing,
            )
            found[policy.name] = json.dumps(accumulator.to_state())
        return found

    def close(self) -> None:
        """Let the journals go."""
        for server in self._servers:
            server.registry.close()
            with suppress(OSError):
                server.journal.close()


@pytest.fixture(autouse=True)
def _logs_as_in_production() -> Iterator[None]:
    configure_logs()
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _same_draws_in_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decision ids seed the draws; these are genuine and, unlike real ones, not random."""
    numbers = itertools.count()

    class SameInEveryRun(DecisionHashes):
        def __init__(self, secret: bytes, experiment: str) -> None:
            super().__init__(secret, experiment)
            self._secret = secret

        def new_decision_id(self, now: datetime) -> str:
            return decision_id_for(self._secret, "new", str(next(numbers)))

    monkeypatch.setattr("bandit_platform.services.serving.decide.DecisionHashes", SameInEveryRun)


@pytest.fixture
def make_world(tmp_path: Path, secret: bytes) -> Iterator[Callable[..., World]]:
    """Makes deployments; several may share a test, each on a database of its own."""
    made: list[World] = []

    def make(database: Database, clock: Any, name: str = "node") -> World:
        world = World(database, tmp_path / name, secret, clock)
        made.append(world)
        return world

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World], database: Database, clock: Any) -> World:
    """An empty deployment, once on each backend."""
    return make_world(database, clock)


@pytest.fixture
def lite(make_world: Callable[..., World], sqlite_database: Database, clock: Any) -> World:
    """An empty deployment on SQLite, where the backend makes no difference."""
    return make_world(sqlite_database, clock)

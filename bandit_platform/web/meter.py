"""What a process counts while it answers, and what ``/metrics`` shows of it.

Several serving processes share a port, so a look at one of them must tell of all: started by
``bandit-platform serve`` they count into files of one folder (the multi-process mode of
prometheus-client), and whichever is asked adds the files up. Labels never come from callers.

Writing into those files took a tenth of a decision's time, so a request only adds to numbers in
memory, and they are written a few times a second. A process that is killed loses that much.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from bandit_platform.services.serving.upkeep import NodeUpkeep, Upkeep
from bandit_platform.web.count_room import has_room

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
#: so many combinations of experiment, arm and reason have a series of their own
MOST_SERIES = 2000
#: between writings of what was counted
WRITE_SECONDS = 0.25
_OTHER = ("other", "other", "other")
_P = "bandit_platform_"
_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


#: experiment, arm and reason of a decision, all of them names we gave
Choice = tuple[str, str, str]


@dataclass
class _Tallies:
    """What was counted and not written yet."""

    answers: list[int] = field(default_factory=lambda: [0] * 5)
    choices: dict[Choice, int] = field(default_factory=dict)
    statuses: Tally[str] = field(default_factory=Tally)
    #: experiment → requests refused for what their request key was used for before
    conflicts: Tally[str] = field(default_factory=Tally)
    #: decisions by the first bound they do not exceed; beyond the last one at the end
    buckets: list[int] = field(default_factory=lambda: [0] * (len(_SECONDS) + 1))
    seconds: float = 0.0


class Meter:
    """The counters of one process."""

    def __init__(self) -> None:
        folder = os.environ.get(FOLDER_VARIABLE)
        self._folder = folder if folder and has_room(Path(folder)) else None
        registry = CollectorRegistry()
        own = None if self._folder else registry
        self._registry = registry
        self._latency = Histogram(
            f"{_P}decision_seconds",
            "Time a decision takes inside the process.",
            buckets=_SECONDS,
            registry=own,
        )
        self._decisions = Counter(
            f"{_P}decisions",
            "Decisions answered.",
            ("experiment", "arm", "reason"),
            registry=own,
        )
        self._events = Counter(
            f"{_P}events", "Reported outcomes by what became of them.", ("status",), registry=own
        )
        self._conflicts = Counter(
            f"{_P}request_conflicts",
            "Requests refused because their request key was already used with another body.",
            ("experiment",),
            registry=own,
        )
        answers = Counter(
            f"{_P}http_answers", "Answers by class of status.", ("status",), registry=own
        )
        self._by_class = [answers.labels(f"{digit}xx") for digit in range(1, 6)]
        self._by_choice: dict[Choice, Counter] = {}
        self._by_status = {
            status: self._events.labels(status) for status in ("accepted", "duplicate", "rejected")
        }
        self._lock = Lock()
        self._new = _Tallies()
        if self._folder:
            MultiProcessCollector(registry, self._folder)  # type: ignore[no-untyped-call]
            Thread(target=self._write_forever, name="meter", daemon=True).start()

    def answered(self, status: str) -> None:
        """Count an answer by its status line."""
        with self._lock:
            self._new.answers[min(max(ord(status[0]) - 49, 0), 4)] += 1

    def decided(self, choice: Choice, seconds: float) -> None:
        """Count a decision by (experiment, arm, reason), all of them names we gave."""
        with self._lock:
            new = self._new
            new.choices[choice] = new.choices.get(choice, 0) + 1
            new.buckets[bisect_left(_SECONDS, seconds)] += 1
            new.seconds += seconds

    def reported(self, statuses: Iterable[str]) -> None:
        """Count outcomes by what became of them."""
        with self._lock:
            self._new.statuses.update(statuses)

    def conflicted(self, experiment: str) -> None:
        """Count a request refused because its request key was used before with another body."""
        with self._lock:
            self._new.conflicts[experiment] += 1

    def write(self) -> None:
        """Bring what was counted since the last time to where ``/metrics`` reads it."""
        with self._lock:
            new, self._new = self._new, _Tallies()
            for number, count in enumerate(new.answers):
                if count:
                    self._by_class[number].inc(count)
            for choice, count in new.choices.items():
                (self._by_choice.get(choice) or self._new_series(choice)).inc(count)
            for experiment, count in new.conflicts.items():
                self._conflicts.labels(experiment).inc(count)
            for status, count in new.statuses.items():
                self._by_status[status].inc(count)
            # The library adds one observation at a time; these are the parts it adds to.
            for number, count in enumerate(new.buckets):
                if count:
                    self._latency._buckets[number].inc(count)
            if new.seconds:
                self._latency._sum.inc(new.seconds)

    def _write_forever(self) -> None:
        pause = Event()
        while not pause.wait(WRITE_SECONDS):
            self.write()

    def show(self, extra: Iterable[Metric]) -> bytes:
        """Everything counted by this process and its siblings, and ``extra`` behind it."""
        self.write()
        shown = CollectorRegistry()
        shown.register(_Given([*map(_without_birth, self._registry.collect()), *extra]))
        return generate_latest(shown)

    def _new_series(self, choice: Choice) -> Counter:
        known = self._by_choice
        if len(known) >= MOST_SERIES and choice != _OTHER:
            return known.get(_OTHER) or self._new_series(_OTHER)
        return known.setdefault(choice, self._decisions.labels(*choice))


def _without_birth(family: Metric) -> Metric:
    """The library adds the moment of making to each metric; processes cannot add those up."""
    family.samples = [each for each in family.samples if not each.name.endswith("_created")]
    return family


class _Given:
    """Families that exist already, in the shape of a collector."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def upkeep_families(upkeep: Upkeep, trouble: str | None) -> list[Metric]:
    """The state of the loop behind the decisions, as metrics."""
    torn = CounterMetricFamily(f"{_P}journal_torn_lines", "Journal lines cut off at their end.")
    torn.add_metric([], upkeep.torn)
    damaged = CounterMetricFamily(
        f"{_P}journal_damaged_lines", "Other journal lines that were no records; kept."
    )
    damaged.add_metric([], upkeep.damaged_lines)
    return [
        _gauge("ready", "1 while the process can do its work.", trouble is None),
        _gauge("database_up", "1 while the database answers.", upkeep.database_answers),
        _gauge("worker_leads", "1 while a worker leads.", upkeep.worker_leads),
        _gauge("journal_pending_bytes", "Journal not yet in the database.", upkeep.pending_bytes),
        _gauge("ingest_lag_seconds", "Age of the oldest pending record.", upkeep.lag_seconds),
        torn,
        damaged,
        _by_experiment("model_version", "Newest model version.", upkeep.model_version.items()),
        _by_experiment(
            "model_age_seconds", "Time since it was published.", upkeep.model_age.items()
        ),
        _by_experiment(
            "model_damaged",
            "Newest model version where it is damaged and was refused.",
            upkeep.damaged.items(),
        ),
        _gauge("experiments_unread", "Experiments that could not be refreshed.", upkeep.unread),
        _by_experiment(
            "interactions_left_out",
            "Interactions that no policy could take in.",
            upkeep.left_out.items(),
        ),
        _by_experiment(
            "policy_failures",
            "Interactions on which some policy's model failed.",
            upkeep.failures.items(),
        ),
        _by_experiment(
            "interactions_learned",
            "Interactions the served policy has learned from.",
            upkeep.learned.items(),
        ),
        _by_experiment(
            "audited_decisions",
            "Decisions the worker recomputed.",
            ((key, checked) for key, (checked, _) in upkeep.audited.items()),
        ),
        _by_experiment(
            "audit_mismatches",
            "Recomputed decisions that did not agree.",
            ((key, wrong) for key, (_, wrong) in upkeep.audited.items()),
        ),
        _nodes(
            "node_lag_seconds",
            "Seconds by which the database is behind the node's journal.",
            upkeep.nodes,
            _lag,
        ),
        _nodes(
            "node_given_up", "1 if maturity no longer waits for the node.", upkeep.nodes, _given_up
        ),
        _by_experiment(
            "over_limit_decisions",
            "Page decisions above a limit, left out of every estimate.",
            upkeep.over_limit.items(),
        ),
        _by_experiment(
            "disputed_decisions",
            "Decisions that two nodes made differently.",
            upkeep.disputes.items(),
        ),
        _by_experiment(
            "decisions_with_dropped_fields",
            "Decisions whose request had undeclared context fields, which were dropped.",
            upkeep.dropped_fields.items(),
        ),
    ]


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{_P}{name}", text, value=value)


def _nodes(
    name: str, text: str, nodes: Iterable[NodeUpkeep], value: Callable[[NodeUpkeep], float]
) -> Metric:
    family = GaugeMetricFamily(f"{_P}{name}", text, labels=["node"])
    for node in list(nodes)[:MOST_SERIES]:
        family.add_metric([node.label], value(node))
    return family


def _lag(node: NodeUpkeep) -> float:
    return node.lag_seconds


def _given_up(node: NodeUpkeep) -> float:
    return float(node.given_up)


def _by_experiment(name: str, text: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(f"{_P}{name}", text, labels=["experiment"])
    for experiment, value in sorted(values)[:MOST_SERIES]:
        family.add_metric([experiment], value)
    return family

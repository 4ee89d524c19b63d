"""Simulates an attacker with a publishable key, next to honest shoppers with known preferences.

Everything runs in one process with a clock that is set: decisions, journal, ingest, maturity,
learning and publishing are the platform's own. Request keys make every honest draw the same in
each run, so a run without the attacker is the twin that an attacked one is compared with.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bandit_platform.domain.caller import Caller
from bandit_platform.domain.decision import POLICY_TRAFFIC, Decision
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.journal.writer import JournalWriter
from bandit_platform.services.collecting.ingest import Ingest
from bandit_platform.services.collecting.mature import mature
from bandit_platform.services.launching.experiments import Experiments
from bandit_platform.services.learning.learn import Learner
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.services.reporting.report_records import ExperimentReport
from bandit_platform.services.serving.decide import Decider
from bandit_platform.services.serving.page_limits import PageLimits
from bandit_platform.services.serving.query import Query
from bandit_platform.services.serving.record_events import EventRecorder
from bandit_platform.services.serving.registry import Registry
from bandit_platform.storage.database import Database
from bandit_platform.storage.lease import take_lease

EXPERIMENT = "attacked"
#: how often an honest shopper accepts each arm
TRUTH = {"nothing": 0.0, "parking": 0.3, "vip": 0.1}
#: the arm that the attacker praises
PRAISED = "vip"
_SPEC = f"""
key = "{EXPERIMENT}"
placement = "confirmation"
[context]
returning = {{ type = "boolean" }}
[[arms]]
key = "parking"
[[arms]]
key = "vip"
[reward]
window = "2s"
range = [0.0, 1.0]
accept = 1.0
[policy]
publish_every = "1s"
[holdout]
share = 0.0
"""
_SECRET = b"the secret of a simulated deployment"
_HOLDER = "simulation"
_PAGE_KEY = "0123456789abcdef"
_START = datetime(2026, 11, 2, 9, tzinfo=UTC)

#: number of a request → unit and address
Disguise = Callable[[int], tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Attack:
    """How the attacker asks: each request with the page's key, praising one arm."""

    name: str
    disguise: Disguise
    #: requests a second
    rate: int = 30


#: one address, another unit with every request
INVENTED_UNITS = Attack(name="invented units", disguise=lambda n: (f"invented-{n}", "203.0.113.9"))
#: one address, 500 units in turn
MANY_UNITS = Attack(
    name="500 units, one address", disguise=lambda n: (f"u-{n % 500}", "203.0.113.9")
)
#: one unit, ten addresses in turn
ONE_UNIT = Attack(name="one unit, 10 addresses", disguise=lambda n: ("one", f"203.0.113.{n % 10}"))
#: another /64 network with every request, all in one /48
NETWORKS = Attack(
    name="IPv6, a new /64 each time", disguise=lambda n: (f"invented-{n}", f"2001:db8:9:{n:x}::")
)
ATTACKS = (INVENTED_UNITS, MANY_UNITS, ONE_UNIT, NETWORKS)


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """How much there is, and for how long."""

    #: honest requests a second
    honest_rate: int = 60
    #: seconds before the attack, in which the policy learns the truth
    quiet: int = 40
    #: seconds of the attack
    attacked: int = 60


@dataclass(kw_only=True)
class AttackResult:
    """What a run showed."""

    #: arm → mean probability for honest shoppers, before the attack and in its last 10 seconds
    before: dict[str, float]
    after: dict[str, float]
    honest: int = 0
    honest_marked: int = 0
    attacker: int = 0
    attacker_marked: int = 0
    report: ExperimentReport | None = field(default=None, repr=False)


def run_attack(
    folder: Path, traffic: Traffic, attack: Attack | None, limits: tuple[int, int]
) -> AttackResult:
    """Let honest shoppers and an attacker come.

    Args:
        folder: of the deployment; must be empty.
        traffic: how much there is.
        attack: the attacker; None for the twin without one.
        limits: by unit and by address, a minute; 0 for none.
    """
    with _Deployment(folder, limits) as deployment:
        return deployment.run(traffic, attack)


@dataclass(frozen=True, kw_only=True)
class _Accept:
    """A page's report that an offer was accepted."""

    decision_id: str
    event_id: str = "accept"
    type: str = "accept"
    amount: float | None = None
    currency: str | None = None
    occurred_at: datetime | None = None
    experiment: None = None
    request_key: None = None
    unit_id: None = None


class _Deployment:
    """The platform's services over one folder, with a clock that is set."""

    def __init__(self, folder: Path, limits: tuple[int, int]) -> None:
        self.now = _START
        self._database = Database(f"sqlite:///{folder / 'attack.sqlite3'}")
        self._database.ensure_ready()
        experiments = Experiments(self._database, self._clock)
        experiments.apply(parse_toml(_SPEC))
        experiments.change_state(EXPERIMENT, Action.START)
        self._registry = Registry(self._database)
        self._registry.refresh()
        self._journal = JournalWriter(folder / "journal", segment_bytes=10_000_000)
        unit, address = limits
        self._decider = Decider(
            self._registry,
            self._journal,
            _SECRET,
            self._clock,
            lambda _: None,
            limits=PageLimits(unit=unit, address=address, clock=self._seconds),
        )
        self._recorder = EventRecorder(self._journal, _SECRET, self._clock, self._registry.knows)
        with self._database.write() as connection:
            take_lease(connection, _HOLDER, self.now, timedelta(days=1))
        self._ingest = Ingest(self._database, folder / "journal")
        self._learner = Learner(self._database, _HOLDER)

    def __enter__(self) -> _Deployment:
        return self

    def __exit__(self, *_: object) -> None:
        self._registry.close()
        self._journal.close()
        self._database.close()

    def _clock(self) -> datetime:
        return self.now

    def _seconds(self) -> float:
        return (self.now - _START).total_seconds()

    def run(self, traffic: Traffic, attack: Attack | None) -> AttackResult:
        """Second by second: requests, their outcomes, and what the worker does."""
        result = AttackResult(before={}, after={})
        shoppers = _shoppers()
        lies = 0
        for second in range(traffic.quiet + traffic.attacked):
            asked = []
            for place in range(traffic.honest_rate):
                self.now = _START + timedelta(seconds=second + place / traffic.honest_rate)
                asked.append(self._honest(*next(shoppers)))
                if attack is None or second < traffic.quiet:
                    continue
                while lies < attack.rate * (second - traffic.quiet + place / traffic.honest_rate):
                    result.attacker_marked += self._lie(attack, lies).over_limit
                    lies += 1
            result.honest += len(asked)
            result.honest_marked += sum(each.over_limit for each in asked)
            self._work()
            if second == traffic.quiet - 1:
                result.before = _mean(asked)
            if second >= traffic.quiet + traffic.attacked - 10:
                latest = _mean(asked)
                result.after = {a: result.after.get(a, 0.0) + latest[a] / 10 for a in latest}
        result.attacker = lies
        result.report = experiment_report(self._database, EXPERIMENT, self.now)
        return result

    def _honest(self, number: int, address: str, chance: float) -> Decision:
        decision = self._ask(f"shopper-{number}", address, f"visit-{number}", number % 2 == 0)
        if chance < TRUTH[decision.arm]:
            self._accept(decision)
        return decision

    def _lie(self, attack: Attack, number: int) -> Decision:
        unit, address = attack.disguise(number)
        decision = self._ask(unit, address, f"lie-{number}", number % 2 == 0)
        if decision.arm == PRAISED:
            self._accept(decision)
        return decision

    def _ask(self, unit: str, address: str, request: str, returning: bool) -> Decision:
        query = Query(
            unit_id=unit,
            context={"returning": returning},
            request_key=request,
            eligible_arms=None,
            excluded_arms=(),
            defer_activation=False,
            caller=Caller(key_id=_PAGE_KEY, trusted=False, address=address),
        )
        return self._decider.decide(EXPERIMENT, query).decision

    def _accept(self, decision: Decision) -> None:
        self._recorder.record([_Accept(decision_id=decision.decision_id)], trusted=False)

    def _work(self) -> None:
        self._ingest.run_once()
        while mature(self._database, _HOLDER, self.now).decisions:
            pass
        while self._learner.learn(EXPERIMENT, self.now).taken:
            pass
        self._registry.refresh()


def _shoppers() -> Iterator[tuple[int, str, float]]:
    """Honest visits: number, address, and the chance that decides whether an arm is accepted.

    One in a hundred comes from an office, the others from 5,000 homes.
    """
    number = 0
    draws = random.Random(7)
    while True:
        home = draws.randrange(5_000)
        address = "198.51.100.1" if draws.random() < 0.01 else f"10.0.{home // 250}.{home % 250}"
        yield number, address, draws.random()
        number += 1


def _mean(decisions: list[Decision]) -> dict[str, float]:
    """Arm → mean probability."""
    served = [each for each in decisions if each.reason in POLICY_TRAFFIC]
    shares = dict.fromkeys(TRUTH, 0.0)
    for each in served:
        for arm, probability in zip(each.eligible, each.pmf, strict=True):
            shares[arm] += probability / len(served)
    return shares

"""One run: put an experiment on stage, send every visit, wait until all of it has been learned."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.services.reporting.report_records import Counts
from bandit_platform.simulation.driver import Target, Visit, drive
from bandit_platform.simulation.settling import Check, reconcile, settle
from bandit_platform.simulation.stage import Stage
from bandit_platform.simulation.tally import Tally

#: (what is being done, how much there is) → inside: a function told how much is done
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """How long the parts of a run took."""

    starting: float
    visiting: float
    settling: float

    @property
    def total(self) -> float:
        """All parts together."""
        return self.starting + self.visiting + self.settling


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What was sent, what arrived, and whether the two agree."""

    tally: Tally
    counts: Counts
    checks: tuple[Check, ...]
    seconds: Seconds

    @property
    def reconciles(self) -> bool:
        """Whether every count agrees."""
        return all(check.ok for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """The counts and checks as JSON-ready tables."""
        checks = [
            {"what": c.what, "expected": c.expected, "found": c.found, "ok": c.ok}
            for c in self.checks
        ]
        return {
            "driver": self.tally.to_dict(),
            "reconciliation": {"ok": self.reconciles, "checks": checks},
            "seconds": {
                "starting": round(self.seconds.starting, 2),
                "visiting": round(self.seconds.visiting, 2),
                "settling": round(self.seconds.settling, 2),
            },
        }


@dataclass(frozen=True, kw_only=True)
class Show:
    """What a run needs to know."""

    spec: ExperimentSpec
    visits: Iterator[Visit]
    #: how many visits there are
    size: int
    #: what one visit is, in the plural
    noun: str
    connections: int = 8
    #: visits started per second; None for as fast as answers come
    rate: float | None = None


def perform(
    stage: Stage, show: Show, *, counts: Callable[[], Counts], progress: Progress
) -> RunResult:
    """Send every visit of a started experiment and wait until all of it has been learned.

    Args:
        stage: the running processes.
        show: what to send.
        counts: reads the experiment's counts.
        progress: draws progress.

    Raises:
        UnavailableError: a process died or was never ready.
    """
    learns = show.spec.policy.mode != "uniform"
    started = time.monotonic()
    with progress("starting serve, console and work", 1) as tell:
        stage.wait_until_ready()
        stage.wait_until_decides(show.spec.key)
        tell(1)
    ready = time.monotonic()
    with progress(f"sending {show.noun}", show.size) as tell:
        tally = drive(show.visits, _target(stage, show), progress=tell, check=stage.check)
    sent = time.monotonic()
    with progress("waiting for reward windows and learning", tally.decisions_acknowledged) as tell:
        final = settle(
            counts,
            decisions=tally.decisions_acknowledged,
            events=tally.events_accepted,
            learns=learns,
            progress=tell,
            check=stage.check,
        )
    return RunResult(
        tally=tally,
        counts=final,
        checks=reconcile(tally, final, visits=show.size, learns=learns),
        seconds=Seconds(
            starting=ready - started, visiting=sent - ready, settling=time.monotonic() - sent
        ),
    )


def _target(stage: Stage, show: Show) -> Target:
    return Target(
        host=stage.settings.host,
        port=stage.settings.port,
        experiment=show.spec.key,
        key=stage.key,
        currency=show.spec.reward.currency,
        connections=show.connections,
        rate=show.rate,
    )

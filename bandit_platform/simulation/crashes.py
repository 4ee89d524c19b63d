"""Killing processes under load, again and again, and measuring how soon they are back."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from bandit_platform.errors import UnavailableError
from bandit_platform.simulation.ledger import Ledger
from bandit_platform.simulation.load import Load, Shop
from bandit_platform.simulation.stage import Stage

PATIENCE_SECONDS = 60.0
_VICTIMS = (("serve",), ("work",), ("serve", "work"))


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """One crash and the way back."""

    victims: tuple[str, ...]
    #: seconds from starting anew to the first acknowledged decision; None when serve lived on
    serving: float | None
    #: seconds from starting anew to the worker's next sign of life; None when work lived on
    working: float | None


def crash_rounds(
    stage: Stage,
    shop: Shop,
    ledger: Ledger,
    *,
    rounds: int,
    seed: int,
    leads: Callable[[], str | None],
    tell: Callable[[int], None] = lambda _: None,
) -> list[Recovery]:
    """Kill serve, work or both at random moments under load.

    Args:
        stage: the running processes.
        shop: where the load goes.
        ledger: takes what is acknowledged.
        rounds: how many crashes.
        seed: of moments, victims and load.
        leads: who leads the work at the moment.
        tell: told how many rounds are done.
    """
    chance = random.Random(seed)
    found = []
    with Load(shop, ledger, seed=seed):
        for number in range(rounds):
            time.sleep(chance.uniform(0.1, 0.9))
            victims = _VICTIMS[number % 3] if number < 3 else chance.choice(_VICTIMS)
            before = leads()
            for name in victims:
                stage.kill(name)
            time.sleep(0.1)  # answers that were on their way are counted by now
            acknowledged = len(ledger.decisions)
            began = time.monotonic()
            for name in victims:
                stage.start(name)
            found.append(
                Recovery(
                    victims=victims,
                    serving=_until(began, stage, lambda: len(ledger.decisions) > acknowledged)  # noqa: B023 - called at once
                    if "serve" in victims
                    else None,
                    working=_until(began, stage, lambda: leads() not in {None, before})  # noqa: B023 - called at once
                    if "work" in victims
                    else None,
                )
            )
            tell(number + 1)
        time.sleep(0.3)
    return found


def slowness() -> float:
    """By how much other work on this machine makes a start longer: 1 where there is none.

    A start is mostly importing, which is processor time; whatever takes longer waited for others.
    """
    began, before = time.monotonic(), os.times()
    subprocess.run([sys.executable, "-c", "import bandit_platform.web.decision_app"], check=True)
    taken, after = time.monotonic() - began, os.times()
    worked = after.children_user + after.children_system
    worked -= before.children_user + before.children_system
    return max(1.0, taken / worked)


def wait_until(
    what: str, done: Callable[[], bool], stage: Stage, seconds: float = PATIENCE_SECONDS
) -> float:
    """Wait for something; how many seconds it took.

    Raises:
        UnavailableError: a process died, or it took too long.
    """
    began = time.monotonic()
    while not done():
        stage.check()
        if time.monotonic() - began > seconds:
            raise UnavailableError(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.05)
    return time.monotonic() - began


def _until(began: float, stage: Stage, done: Callable[[], bool]) -> float:
    wait_until("the recovery", done, stage)
    return time.monotonic() - began

"""Logged customers as visits: rejection replay of a randomised data set.

The service decides for each customer anew. Only where it chooses the arm that the customer really
got is the decision activated and the real outcome reported; all others are as if never asked
(Li, Chu, Langford, Wang 2011). Where the log's propensities differ between rows, a match is kept
with probability (smallest propensity ÷ own propensity), so that what is kept is what a live run
would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from random import Random

from bandit_platform.services.evaluation.logged_data import LoggedData
from bandit_platform.simulation.driver import Reply, Visit
from bandit_platform.simulation.truth import Outcome


def replay_visits(log: LoggedData, seed: int = 1) -> Iterator[Visit]:
    """The rows of a log, in its order, as deferred decisions."""
    random = Random(seed)
    smallest = float(log.propensities.min())
    for number, arm in enumerate(log.arms):
        kept = random.random() < smallest / float(log.propensities[number])
        events = [Outcome(type=each.type, amount=each.amount) for each in log.events[number]]
        yield Visit(
            number=number,
            request={
                "unit_id": log.units[number],
                "context": log.contexts[number],
                "request_key": f"row-{number + 1}",
                "defer_activation": True,
            },
            reply=partial(_reply, arm if kept else None, Reply(events=events, activate=True)),
        )


def _reply(logged_arm: str | None, reply: Reply, arm: str) -> Reply:
    return reply if arm == logged_arm else Reply()

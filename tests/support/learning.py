"""Letting an experiment learn from simulated decisions, for tests of what comes after."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.services.learning.learn import Learner
from bandit_platform.simulation.bulk import Bulk, fill
from bandit_platform.storage.database import Database
from bandit_platform.storage.lease import take_lease

_HOLDER = "a test"


def learn_from_bulk(
    database: Database,
    spec: ExperimentSpec,
    clock: Callable[[], datetime],
    interactions: int = 3000,
) -> None:
    """Fill matured decisions of a started experiment in, and learn from all of them.

    Args:
        database: with the experiment.
        spec: of the experiment.
        clock: says the present moment.
        interactions: how many.
    """
    for _ in fill(database, Bulk(spec=spec, decisions=interactions, until=clock())):
        pass
    with database.write() as connection:
        take_lease(connection, _HOLDER, clock(), timedelta(days=1))
    learner = Learner(database, _HOLDER)
    while learner.learn(spec.key, clock()).taken:
        pass

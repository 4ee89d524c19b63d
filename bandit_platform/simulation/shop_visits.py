"""Simulated shoppers as visits to the service."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bandit_platform.simulation.driver import Reply, Visit
from bandit_platform.simulation.shopper import Shopper, shopper
from bandit_platform.simulation.truth import outcomes


def shop_visits(count: int, seed: int) -> Iterator[Visit]:
    """``count`` shoppers, each deciding once, after the order they have just placed."""
    for number in range(count):
        someone = shopper(seed, number)
        yield Visit(
            number=number,
            request={
                "unit_id": f"shopper-{seed}-{number}",
                "context": someone.context,
                "request_key": f"order-{seed}-{number}",
            },
            reply=partial(_reply, someone),
        )


def _reply(someone: Shopper, arm: str) -> Reply:
    return Reply(events=outcomes(someone, arm))

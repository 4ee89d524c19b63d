"""A simulated shopper: a context, and chances that do not depend on when the service answers.

Every shopper has a seed of their own, made of the run's seed and their number. Context and
outcome come from it alone, so a run has the same outcomes however its requests interleave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from types import MappingProxyType
from typing import TypeVar

from bandit_platform.domain.context import ContextValue

Value = TypeVar("Value")

_KINDS = MappingProxyType(
    {"concert": 0.30, "sport": 0.24, "theatre": 0.20, "family": 0.14, "festival": 0.12}
)
_TIMINGS = MappingProxyType({"today": 0.30, "this-week": 0.28, "later": 0.42})
_COUNTRIES = MappingProxyType({"GB": 0.72, "IE": 0.09, "DE": 0.07, "FR": 0.06, "US": 0.06})
#: in the order of their SKUs
_ADD_ONS = MappingProxyType({"PARKING": 0.08, "PROGRAMME": 0.25, "TOUR-SHIRT": 0.1})
_TICKETS = MappingProxyType({1: 0.14, 2: 0.46, 3: 0.13, 4: 0.17, 5: 0.04, 6: 0.03, 8: 0.03})
#: middle price of one ticket in pounds; prices scatter around it log-normally
_PRICES = MappingProxyType(
    {"concert": 48.0, "sport": 36.0, "theatre": 42.0, "family": 22.0, "festival": 95.0}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shopper:
    """Someone who has just placed an order."""

    number: int
    context: dict[str, ContextValue]
    #: seed of what this shopper does
    seed: int


def shopper(seed: int, number: int) -> Shopper:
    """The shopper with a number in the run with a seed; always the same one."""
    own = _own_seed(seed, number, b"context")
    context = {**_context(Random(own)), "cart_skus": _cart(_own_seed(seed, number, b"cart"))}
    return Shopper(number=number, context=context, seed=_own_seed(seed, number, b"outcome"))


def _own_seed(seed: int, number: int, purpose: bytes) -> int:
    digest = blake2b(f"{seed}:{number}".encode(), digest_size=8, person=purpose)
    return int.from_bytes(digest.digest())


def _context(random: Random) -> dict[str, ContextValue]:
    kind = _pick(random, _KINDS)
    tickets = _pick(random, _TICKETS)
    price = _PRICES[kind] * random.lognormvariate(0.0, 0.35)
    returning = random.random() < 0.42
    return {
        "order_value": round(tickets * price, 2),
        "tickets": tickets,
        "event_kind": kind,
        "event_in": _pick(random, _TIMINGS),
        "country": _pick(random, _COUNTRIES),
        "returning": returning,
        "device": "mobile" if random.random() < 0.62 else "desktop",
    }


def _cart(seed: int) -> tuple[str, ...]:
    """What was bought with the tickets."""
    random = Random(seed)
    return tuple(sku for sku, share in _ADD_ONS.items() if random.random() < share)


def _pick(random: Random, shares: Mapping[Value, float]) -> Value:
    return random.choices(tuple(shares), weights=tuple(shares.values()))[0]

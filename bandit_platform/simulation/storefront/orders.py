"""The shop's orders, in the memory of one demo."""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

from bandit_platform.simulation.storefront.catalogue import Evening

_DECISION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST = 1000


@dataclass(kw_only=True)
class Order:
    """Tickets that somebody bought, and what happened since."""

    number: str
    evening: Evening
    tickets: int
    country: str
    #: has ordered before
    returning: bool
    #: arm of the extra that was added
    extra: str | None = None
    #: what the extra cost, in pounds
    extra_price: float = 0.0
    returned: bool = False
    complained: bool = False
    #: the offer was closed
    dismissed: bool = False
    #: which decision outcomes belong to, once the page has said so
    decision_id: str | None = None

    @property
    def value(self) -> float:
        """Pounds for the tickets."""
        return self.tickets * self.evening.price

    @property
    def total(self) -> float:
        """Pounds for everything."""
        return self.value + self.extra_price

    @property
    def context(self) -> dict[str, Any]:
        """What names nobody."""
        return {
            "order_value": self.value,
            "tickets": self.tickets,
            "event_kind": self.evening.kind,
            "event_in": self.evening.event_in,
        }

    @property
    def personal_context(self) -> dict[str, Any]:
        """What is said with consent only."""
        return {"country": self.country, "returning": self.returning}

    def belongs_to(self, decision_id: str) -> None:
        """Note the decision that the page was given, if it looks like one; the first one stays."""
        if self.decision_id is None and _DECISION_ID.fullmatch(decision_id):
            self.decision_id = decision_id


class Orders:
    """The newest orders."""

    def __init__(self) -> None:
        self._orders: OrderedDict[str, Order] = OrderedDict()
        self._lock = Lock()

    def place(self, evening: Evening, tickets: int, country: str, *, returning: bool) -> Order:
        """A new order."""
        order = Order(
            number=secrets.token_hex(8),
            evening=evening,
            tickets=tickets,
            country=country,
            returning=returning,
        )
        with self._lock:
            self._orders[order.number] = order
            while len(self._orders) > _MOST:
                self._orders.popitem(last=False)
        return order

    def find(self, number: str) -> Order | None:
        """The order with a number."""
        return self._orders.get(number)

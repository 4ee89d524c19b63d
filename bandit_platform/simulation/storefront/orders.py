"""The shop's orders, in the memory of one demo."""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from bandit_platform.domain.experiment import Arm
from bandit_platform.simulation.storefront.catalogue import AddOn, Evening

#: of everything the shop sells itself
CURRENCY = "GBP"
_DECISION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_MOST = 1000


@dataclass(frozen=True, kw_only=True)
class Extra:
    """What an offer adds to an order."""

    title: str
    price: float
    currency: str


def extra_of(arm: Arm) -> Extra:
    """What an arm offers, whatever its payload holds."""
    price, currency = arm.offer.get("price"), arm.offer.get("currency")
    is_number = isinstance(price, (int, float)) and not isinstance(price, bool)
    is_currency = isinstance(currency, str) and _CURRENCY.fullmatch(currency)
    return Extra(
        title=str(arm.offer.get("title") or arm.key),
        price=max(float(str(price)), 0.0) if is_number else 0.0,
        currency=str(currency) if is_currency else CURRENCY,
    )


@dataclass(kw_only=True)
class Order:
    """Tickets that somebody bought, and what happened since."""

    number: str
    #: key of the experiment that chooses its offer
    experiment: str
    evening: Evening
    tickets: int
    country: str
    #: has ordered before
    returning: bool
    #: bought with the tickets
    add_ons: tuple[AddOn, ...] = ()
    #: what an offer added
    extra: Extra | None = None
    returned: bool = False
    complained: bool = False
    #: the offer was closed
    dismissed: bool = False
    #: which decision outcomes belong to, once the page has said so
    decision_id: str | None = None

    @property
    def value(self) -> float:
        """Pounds for what was in the cart."""
        return self.tickets * self.evening.price + sum(each.price for each in self.add_ons)

    @property
    def skus(self) -> tuple[str, ...]:
        """What was in the cart, as carts call it."""
        return tuple(sorted({self.evening.key, *(each.sku for each in self.add_ons)}))

    @property
    def total(self) -> float:
        """Pounds for everything."""
        in_pounds = self.extra is not None and self.extra.currency == CURRENCY
        return self.value + (self.extra.price if self.extra and in_pounds else 0.0)

    def belongs_to(self, decision_id: str) -> None:
        """Note the decision that the page was given, if it looks like one; the first one stays."""
        if self.decision_id is None and _DECISION_ID.fullmatch(decision_id):
            self.decision_id = decision_id


class Orders:
    """The newest orders."""

    def __init__(self) -> None:
        self._orders: OrderedDict[str, Order] = OrderedDict()
        self._lock = Lock()

    def place(
        self,
        experiment: str,
        evening: Evening,
        tickets: int,
        country: str,
        *,
        returning: bool,
        add_ons: tuple[AddOn, ...] = (),
    ) -> Order:
        """A new order."""
        order = Order(
            number=secrets.token_hex(8),
            experiment=experiment,
            evening=evening,
            tickets=tickets,
            country=country,
            returning=returning,
            add_ons=add_ons,
        )
        with self._lock:
            self._orders[order.number] = order
            while len(self._orders) > _MOST:
                self._orders.popitem(last=False)
        return order

    def find(self, number: str) -> Order | None:
        """The order with a number."""
        return self._orders.get(number)

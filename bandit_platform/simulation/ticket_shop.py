"""What the shoppers of the ticket shop do when they are shown an arm: the truth of the demo.

For every context and arm this says how likely each outcome is and what the amounts are. Some
shoppers want one fitting extra; those in a hurry are best left alone; each offer annoys some.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bandit_platform.domain.context import Context
from bandit_platform.domain.policy_spec import NOTHING

#: Amounts lie within this share of their mean, evenly.
SPREAD = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Chances:
    """How a shopper answers an arm: a small tree of outcomes.

    Accepted or not; accepted: paid or not; paid: returned or not. Not accepted: dismissed or not;
    dismissed: complained or not.
    """

    accept: float
    #: given that it was accepted
    purchase: float
    #: given that it was purchased
    return_: float
    #: given that it was not accepted
    dismiss: float
    #: given that it was dismissed
    complaint: float
    #: mean amount of a purchase, in pounds
    amount: float
    #: bought something without being shown an offer
    unprompted: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Offer:
    """How an offer appeals; effects are added on the logit scale."""

    base: float
    kind: Mapping[str, float]
    event_in: Mapping[str, float]
    country: Mapping[str, float]
    returning: float
    mobile: float
    #: effect of each hundred pounds of order value
    hundred_pounds: float
    #: how loud the offer is: adds to dismissals and complaints
    loud: float
    #: effect of what was bought with the tickets
    cart: Mapping[str, float]
    purchase: float
    return_: float
    amount: float


_OFFERS: Mapping[str, _Offer] = MappingProxyType(
    {
        "vip-upgrade": _Offer(
            base=-2.0,
            kind={"concert": 2.6, "festival": 1.8, "sport": -0.6, "family": -1.0},
            event_in={"this-week": 0.2},
            country={"US": 0.5},
            returning=0.7,
            mobile=0.0,
            hundred_pounds=0.35,
            loud=0.5,
            cart={"PARKING": -0.4},
            purchase=0.72,
            return_=0.10,
            amount=30.0,
        ),
        "parking": _Offer(
            base=-0.8,
            kind={"sport": 2.3, "family": 1.9, "concert": -0.4, "theatre": -0.5},
            event_in={"this-week": 0.4},
            country={"US": -2.5, "FR": -1.0, "DE": -1.0},
            returning=0.0,
            mobile=0.2,
            hundred_pounds=0.1,
            loud=0.0,
            cart={},
            purchase=0.9,
            return_=0.04,
            amount=14.0,
        ),
        "merch": _Offer(
            base=-1.0,
            kind={"concert": 1.2, "family": 1.4, "festival": 1.0, "theatre": -0.8, "sport": 0.3},
            event_in={"later": 0.3},
            country={"IE": 0.3},
            returning=-1.3,
            mobile=0.3,
            hundred_pounds=0.0,
            loud=0.3,
            cart={"PROGRAMME": 0.9},
            purchase=0.8,
            return_=0.16,
            amount=20.0,
        ),
        "insurance": _Offer(
            base=-1.7,
            kind={"theatre": 1.6, "festival": 0.9, "sport": -0.6},
            event_in={"later": 1.9, "today": -2.0},
            country={"DE": 0.8, "US": 0.8},
            returning=-0.2,
            mobile=-0.3,
            hundred_pounds=0.3,
            loud=-0.4,
            cart={"PARKING": 0.3},
            purchase=0.95,
            return_=0.02,
            amount=9.0,
        ),
    }
)


def chances(context: Context, arm: str) -> Chances:
    """How a shopper with this context answers this arm."""
    if arm == NOTHING:
        return _left_alone(context)
    offer = _OFFERS[arm]
    hurry = _hurry(context)
    return Chances(
        accept=_logistic(_appeal(offer, context) - 0.9 * hurry),
        purchase=offer.purchase,
        return_=offer.return_,
        dismiss=_logistic(-0.7 + hurry + offer.loud),
        complaint=0.3 * _logistic(-1.6 + 0.8 * hurry + offer.loud),
        amount=offer.amount,
    )


def _left_alone(context: Context) -> Chances:
    """Shown nothing, few come back for an extra of their own accord, and nobody is annoyed."""
    return Chances(
        accept=0.0,
        purchase=0.0,
        return_=0.06,
        dismiss=0.0,
        complaint=0.0,
        amount=14.0,
        unprompted=0.05 if context["returning"] else 0.02,
    )


def _appeal(offer: _Offer, context: Context) -> float:
    return (
        offer.base
        + offer.kind.get(str(context["event_kind"]), 0.0)
        + offer.event_in.get(str(context["event_in"]), 0.0)
        + offer.country.get(str(context["country"]), 0.0)
        + (offer.returning if context["returning"] else 0.0)
        + (offer.mobile if context["device"] == "mobile" else 0.0)
        + _cart(context, offer)
        + offer.hundred_pounds * (min(_pounds(context), 300.0) / 100.0 - 1.0)
    )


def _cart(context: Context, offer: _Offer) -> float:
    cart = context.get("cart_skus", ())
    skus = cart if isinstance(cart, tuple) else ()
    return sum(offer.cart.get(sku, 0.0) for sku in skus)


def _pounds(context: Context) -> float:
    value = context["order_value"]
    return float(value) if isinstance(value, (int, float)) else 0.0


def _hurry(context: Context) -> float:
    """How little a shopper wants to be spoken to: on the way, on the phone, a regular."""
    return (
        {"today": 2.2, "this-week": 0.6}.get(str(context["event_in"]), 0.0)
        + (0.4 if context["device"] == "mobile" else 0.0)
        + (0.5 if context["returning"] else 0.0)
        + (0.8 if context["event_kind"] == "theatre" else 0.0)
    )


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value))

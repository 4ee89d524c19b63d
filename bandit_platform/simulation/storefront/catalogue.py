"""What the shop sells: evenings out that do not exist."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Evening:
    """Something to buy tickets for."""

    key: str
    title: str
    where: str
    when: str
    #: pounds for one ticket
    price: float
    #: concert, theatre, sport, festival or family
    kind: str
    #: today, this-week or later
    event_in: str


EVENINGS: tuple[Evening, ...] = (
    Evening(
        key="northern-lights",
        title="Northern Lights, the farewell tour",
        where="Riverside Arena, London",
        when="Saturday, 20:00",
        price=48.0,
        kind="concert",
        event_in="this-week",
    ),
    Evening(
        key="hamlet",
        title="Hamlet",
        where="The Old Foundry, Leeds",
        when="Tonight, 19:30",
        price=42.0,
        kind="theatre",
        event_in="today",
    ),
    Evening(
        key="derby",
        title="City against Rovers",
        where="Harbour Ground, Bristol",
        when="Sunday, 15:00",
        price=36.0,
        kind="sport",
        event_in="this-week",
    ),
    Evening(
        key="three-days-of-summer",
        title="Three Days of Summer",
        where="Meadow Park, Kent",
        when="In July",
        price=95.0,
        kind="festival",
        event_in="later",
    ),
    Evening(
        key="the-paper-moon",
        title="The Paper Moon, with puppets",
        where="Guildhall, York",
        when="In three weeks, 14:00",
        price=22.0,
        kind="family",
        event_in="later",
    ),
    Evening(
        key="late-quartet",
        title="A late quartet",
        where="Chapel Yard, Dublin",
        when="Tonight, 21:00",
        price=28.0,
        kind="concert",
        event_in="today",
    ),
)


@dataclass(frozen=True, kw_only=True)
class AddOn:
    """Something to buy with the tickets."""

    sku: str
    title: str
    #: pounds
    price: float


ADD_ONS: tuple[AddOn, ...] = (
    AddOn(sku="PARKING", title="Parking space at the venue", price=14.0),
    AddOn(sku="TOUR-SHIRT", title="Tour shirt", price=20.0),
    AddOn(sku="PROGRAMME", title="Printed programme", price=6.0),
)
COUNTRIES = {
    "GB": "United Kingdom",
    "IE": "Ireland",
    "DE": "Germany",
    "FR": "France",
    "US": "United States",
}
MOST_TICKETS = 8


def evening(key: str) -> Evening | None:
    """The evening with a key."""
    return next((each for each in EVENINGS if each.key == key), None)


def add_ons(skus: Collection[str]) -> tuple[AddOn, ...]:
    """The add-ons with these SKUs."""
    return tuple(each for each in ADD_ONS if each.sku in skus)

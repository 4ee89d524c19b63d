from __future__ import annotations

import copy
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from bandit_platform.domain.record import record


@record
class Offer:
    key: str
    price: float = 2.5
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Plain:
    key: str
    price: float = 2.5
    tags: tuple[str, ...] = ()


def test_a_record_is_the_dataclass_that_it_stands_for() -> None:
    offer = Offer(key="upgrade", tags=("new",))
    plain = Plain(key="upgrade", tags=("new",))
    assert [each.name for each in fields(Offer)] == ["key", "price", "tags"]
    assert repr(offer) == repr(plain).replace("Plain", "Offer")
    assert hash(offer) == hash(plain)
    assert offer == Offer(key="upgrade", price=2.5, tags=("new",))
    assert replace(offer, price=3.0) == Offer(key="upgrade", price=3.0, tags=("new",))
    assert copy.deepcopy(offer) == offer  # as pickle does it


def test_a_record_is_frozen_and_takes_only_its_fields() -> None:
    offer = Offer(key="upgrade")
    with pytest.raises(FrozenInstanceError):
        offer.price = 1.0  # type: ignore[misc]
    with pytest.raises(TypeError, match="'key'"):
        Offer()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="colour"):
        Offer(key="upgrade", colour="red")  # type: ignore[call-arg]


def test_what_a_record_would_ignore_is_refused() -> None:
    with pytest.raises(TypeError, match="Listed"):

        @record
        class Listed:
            tags: list[str] = field(default_factory=list)

    with pytest.raises(TypeError, match="Checked"):

        @record
        class Checked:
            key: str

            def __post_init__(self) -> None: ...

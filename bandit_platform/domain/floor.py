"""Floors: the probability that a policy always leaves to ``nothing`` and to the offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

#: below this probability of ``nothing``, uplift over nothing takes very long to show
ADVISED_NOTHING = 0.04
_LEAST = 0.001


class FloorTable(BaseModel):
    """Separate floors for ``nothing`` and for the offers.

    Attributes:
        nothing: the least probability of ``nothing``.
        offers: mass spread evenly over the eligible offers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    nothing: float = Field(default=0.04, ge=_LEAST, lt=1, allow_inf_nan=False, strict=True)
    offers: float = Field(default=0.02, ge=_LEAST, lt=1, allow_inf_nan=False, strict=True)

    @model_validator(mode="after")
    def _leaves_room(self) -> Self:
        if not self.nothing + self.offers < 1.0:
            raise ValueError("nothing and offers must add up to less than 1")
        return self

    def __str__(self) -> str:
        return f"nothing {self.nothing:g}, offers {self.offers:g}"


def _kind(value: Any) -> str:
    return "FloorTable" if isinstance(value, (Mapping, FloorTable)) else "number"


#: a number is mass spread evenly over all eligible arms, ``nothing`` among them
Floor = Annotated[
    Annotated[float, Field(ge=_LEAST, le=1, allow_inf_nan=False, strict=True), Tag("number")]
    | Annotated[FloorTable, Tag("FloorTable")],
    Discriminator(_kind),
]


def least_nothing(floor: float | FloorTable, offers: int) -> float:
    """The least probability of ``nothing`` where that many offers are eligible."""
    if not offers:
        return 1.0
    return floor.nothing if isinstance(floor, FloorTable) else floor / (offers + 1)


def least_offer(floor: float | FloorTable, offers: int) -> float:
    """The least probability of each of the eligible offers, of which there is at least one."""
    return floor.offers / offers if isinstance(floor, FloorTable) else floor / (offers + 1)

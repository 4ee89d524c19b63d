"""How arms are chosen: exploration, floor and what the model may combine."""

from __future__ import annotations

import re
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bandit_platform.domain.duration import Duration
from bandit_platform.domain.floor import Floor, FloorTable
from bandit_platform.domain.pmf import uniform_pmf, untrained_pmf

NOTHING = "nothing"
#: the section of the experiment file that defines its own policy, which is called so
SECTION = "policy"

#: Parameters each exploration takes, with the value used when it is not given.
EXPLORATIONS = MappingProxyType(
    {
        "squarecb": MappingProxyType({"gamma_scale": 10.0, "gamma_exponent": 0.5}),
        "epsilon_greedy": MappingProxyType({"epsilon": 0.1}),
        "softmax": MappingProxyType({"lambda": 10.0}),
    }
)

#: What Vowpal Wabbit can take.
_LIMITS = MappingProxyType(
    {
        "epsilon": (0.0, 1.0),
        "lambda": (0.0, 1e6),
        "gamma_scale": (0.0, 1e9),
        "gamma_exponent": (0.0, 10.0),
    }
)

#: Names of roles and of policies that every experiment has; no candidate may be called so.
RESERVED_NAMES = frozenset(
    {"serving", "logging", "uniform", NOTHING, SECTION, "champion", "challenger", "baseline"}
)

_REFUSED = {
    "bag": "does not go on exactly after a restart, so what it learned could not be checked",
    "cover": "does not go on exactly after a restart, so what it learned could not be checked",
    "regcb": "gives arms a propensity of zero and is not valued here",
    "regcbopt": "gives ties a probability of one each",
    "synthcover": "gives arms a propensity of zero",
    "first": "gives arms a propensity of zero after its first phase",
    "squarecb_elim": "gives negative probabilities",
}

_INTERACTION = re.compile(r"(context|arm)\*(context|arm)(\*(context|arm))?")


class Exploration(BaseModel):
    """One way to learn and to spread probability over arms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    exploration: str = "squarecb"
    parameters: dict[str, Annotated[float, Field(allow_inf_nan=False, ge=0)]] = {}
    floor: Floor = FloorTable()
    #: reward units by which an offer is expected to beat ``nothing`` before it is preferred
    minimum_value: float = Field(default=0.0, ge=0, le=1e6, allow_inf_nan=False, strict=True)
    interactions: tuple[str, ...] = ("context*arm",)
    #: a tenth of Vowpal Wabbit's own: outcomes of offers are noisy, and at 0.5 a policy follows
    #: the latest few of them
    learning_rate: float = Field(default=0.05, gt=0, le=100, strict=True)

    @field_validator("exploration")
    @classmethod
    def _sound(cls, value: str) -> str:
        if value in EXPLORATIONS:
            return value
        known = ", ".join(EXPLORATIONS)
        if value in _REFUSED:
            raise ValueError(f"{value} {_REFUSED[value]}; use one of {known}")
        raise ValueError(f"must be one of {known}")

    @field_validator("interactions")
    @classmethod
    def _known_interactions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for interaction in value:
            if not _INTERACTION.fullmatch(interaction):
                raise ValueError(
                    'each must combine "context" and "arm" with *, such as "context*arm"'
                )
        return value

    @model_validator(mode="after")
    def _known_parameters(self) -> Exploration:
        allowed = EXPLORATIONS[self.exploration]
        for name, value in self.parameters.items():
            if name not in allowed:
                raise ValueError(
                    f"parameters: {self.exploration} takes {', '.join(allowed)}, nothing else"
                )
            low, high = _LIMITS[name]
            if not low <= value <= high:
                raise ValueError(f"parameters: {name} must be from {low:g} to {high:g}")
        return self

    def all_parameters(self) -> dict[str, float]:
        """The parameters in use, defaults filled in."""
        return {**EXPLORATIONS[self.exploration], **self.parameters}


class ServingPolicy(Exploration):
    """What decides. ``mode`` says how far the learned model is trusted.

    uniform: every eligible arm is equally likely, and only candidates learn.
    learning: the newest published model decides.
    shadow: uniform decides while the model learns and is valued.
    frozen: the model published last decides and learns no more.
    """

    mode: Literal["uniform", "learning", "shadow", "frozen"] = "learning"
    publish_every: Duration = timedelta(seconds=60)

    def untrained(
        self, eligible: tuple[str, ...], champion: Exploration | None = None
    ) -> tuple[float, ...]:
        """The probabilities of eligible arms while no model decides: uniform.

        In modes that are to be decided by a model, the floors of a table are respected: those of
        the champion, which is this policy unless another one was promoted.
        """
        if self.mode in {"uniform", "shadow"}:
            return uniform_pmf(len(eligible))
        floor = (champion or self).floor
        return untrained_pmf(len(eligible), floor, eligible.index(NOTHING))

    @field_validator("publish_every")
    @classmethod
    def _not_too_often(cls, value: timedelta) -> timedelta:
        if value < timedelta(milliseconds=500):
            raise ValueError("must be at least 500ms")
        return value


class Candidate(Exploration):
    """A further policy, learned and valued beside the serving one, never deciding."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")

    @field_validator("name")
    @classmethod
    def _not_reserved(cls, value: str) -> str:
        if value in RESERVED_NAMES or value.startswith("always"):
            raise ValueError("is a reserved policy name")
        return value

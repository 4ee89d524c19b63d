"""An experiment: its arms, targeting, reward, policy and holdout, as one frozen value."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    JsonValue,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from bandit_platform.domain.condition import Condition
from bandit_platform.domain.context import (
    MAX_KEY_LENGTH,
    MAX_KEYS,
    MAX_SET_VALUE_LENGTH,
    ContextField,
)
from bandit_platform.domain.event import Event, Lateness
from bandit_platform.domain.floor import FloorTable
from bandit_platform.domain.policy_spec import NOTHING, Candidate, ServingPolicy
from bandit_platform.domain.request_arms import MAX_OFFER_BYTES, MAX_REQUEST_ARMS
from bandit_platform.domain.request_rules import RequestRules
from bandit_platform.domain.reward import (
    AmountWeight,
    RewardSpec,
    Weight,
    Worth,
    weight_problem,
    weights_to_file,
)

MAX_ARMS = 100

Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
ContextName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=MAX_KEY_LENGTH)]
#: a field; or a number field and where to cut it, or a set and its values with a segment each
Segment = str | dict[str, tuple[FiniteFloat | str, ...]]
#: a short text on one line
Label = Annotated[str, Field(pattern=r"^\S(.*\S)?$", max_length=64)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Arm(_Frozen):
    """A choosable option beside ``nothing``."""

    key: Key
    #: what the model may know of the arm
    features: dict[ContextName, float | str | bool] = {}
    #: payload for the shop: data, never HTML
    offer: dict[str, JsonValue] = {}
    when: dict[str, Condition] = {}
    #: what carts call it
    sku: str | None = Field(default=None, min_length=1, max_length=MAX_SET_VALUE_LENGTH)
    #: set field of the context: while it holds ``sku``, the arm is not eligible
    not_if_in: ContextName | None = None
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    #: event type → what it is worth where this arm was shown, instead of the experiment's weight;
    #: in a file a number alone is that of an accept
    value: dict[str, Weight] = {}
    #: event type → what it costs the shop; subtracted from the reward
    cost: dict[str, Weight] = {}
    #: who pays for it; groups reports, no model knows it
    advertiser: Label | None = None
    #: what kind of offer it is; groups reports, no model knows it
    category: Label | None = None

    @field_validator("value", "cost", mode="before")
    @classmethod
    def _of_an_accept(cls, value: Any) -> Any:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return {"accept": value} if number else value

    @field_validator("value", "cost")
    @classmethod
    def _worths(cls, value: dict[str, Weight], info: ValidationInfo) -> dict[str, Weight]:
        for name, weight in value.items():
            if problem := weight_problem(name, weight):
                raise ValueError(problem)
            number = weight.amount if isinstance(weight, AmountWeight) else weight
            if info.field_name == "cost" and number < 0:
                raise ValueError(f"{name} must be at least 0: it is subtracted from the reward")
        return value

    @field_validator("key")
    @classmethod
    def _not_nothing(cls, value: str) -> str:
        if value == NOTHING:
            raise ValueError("the arm nothing exists without being listed")
        return value

    @field_validator("features")
    @classmethod
    def _finite(cls, value: dict[str, float | str | bool]) -> dict[str, float | str | bool]:
        for name, feature in value.items():
            if isinstance(feature, float) and not math.isfinite(feature):
                raise ValueError(f"{name} must be a finite number")
        return value

    @field_validator("offer")
    @classmethod
    def _small(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        try:
            size = len(json.dumps(value, allow_nan=False))
        except ValueError:
            raise ValueError("must hold finite numbers only") from None
        if size > MAX_OFFER_BYTES:
            raise ValueError(f"must be at most {MAX_OFFER_BYTES} bytes as JSON")
        return value

    @field_validator("ends_at")
    @classmethod
    def _ends_after_start(cls, value: datetime | None, info: ValidationInfo) -> datetime | None:
        starts = info.data.get("starts_at")
        if value is not None and starts is not None and starts >= value:
            raise ValueError("must be after starts_at")
        return value

    @property
    def is_always_eligible(self) -> bool:
        """Whether only a request can rule it out, whatever the context and the moment."""
        limits = (self.not_if_in, self.starts_at, self.ends_at)
        return not self.when and all(limit is None for limit in limits)


class Holdout(_Frozen):
    """The share of units that always gets nothing and never trains a model."""

    share: float = Field(default=0.05, ge=0, le=0.5, allow_inf_nan=False)


class EventRules(_Frozen):
    """Which events need a secret key, because a browser could forge them."""

    secret_only: tuple[str, ...] = ()

    def may_count(self, event: Event, late: Lateness | None) -> bool:
        """Whether an event can count in a reward: in time, from a sender who may report its type.

        Args:
            event: of a decision.
            late: why it is late; None if it is in time.
        """
        return late is None and (event.trusted or event.type not in self.secret_only)


class ReportSpec(_Frozen):
    """How results are shown."""

    time_zone: str = "UTC"
    segments: tuple[Segment, ...] = ()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, KeyError, OSError) as error:
            raise ValueError("must be a time zone name such as Europe/London") from error
        return value


class ExperimentSpec(_Frozen):
    """The declared experiment, as written in ``experiment.toml``."""

    key: Key
    placement: Key
    owner: str = Field(default="", max_length=256)
    hypothesis: str = Field(default="", max_length=4096)
    context: dict[ContextName, ContextField] = Field(default={}, max_length=MAX_KEYS)
    #: request: each request may bring arms, and the file need not have any
    arms_from: Literal["file", "request"] = "file"
    arms: tuple[Arm, ...] = Field(max_length=MAX_ARMS)
    reward: RewardSpec
    policy: ServingPolicy = ServingPolicy()
    candidates: tuple[Candidate, ...] = ()
    holdout: Holdout = Holdout()
    events: EventRules = EventRules()
    request: RequestRules = RequestRules()
    report: ReportSpec = ReportSpec()

    @field_validator("key")
    @classmethod
    def _not_new(cls, value: str) -> str:
        if value == "new":
            raise ValueError("new is the address where experiments are made; take another word")
        return value

    @model_validator(mode="before")
    @classmethod
    def _arms_may_be_missing(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("arms_from") == "request" and "arms" not in data:
            return {**data, "arms": ()}
        return data

    @field_validator("arms")
    @classmethod
    def _has_arms(cls, value: tuple[Arm, ...], info: ValidationInfo) -> tuple[Arm, ...]:
        if not value and info.data.get("arms_from") == "file":
            raise PydanticCustomError(
                "too_short", "Tuple should have at least 1 item after validation, not 0"
            )
        return value

    @property
    def takes_arms(self) -> bool:
        """Whether requests may bring arms."""
        return self.arms_from == "request"

    @property
    def most_offers(self) -> int:
        """How many offers a decision can have at most."""
        return len(self.arms) + (MAX_REQUEST_ARMS if self.takes_arms else 0)

    @cached_property
    def arm_keys(self) -> tuple[str, ...]:
        """Every arm's key, ``nothing`` first: the order in which eligible arms are listed."""
        return (NOTHING, *(arm.key for arm in self.arms))

    @cached_property
    def all_always_eligible(self) -> bool:
        """Whether only a request can rule arms out."""
        return all(arm.is_always_eligible for arm in self.arms)

    @cached_property
    def arms_by_key(self) -> Mapping[str, Arm]:
        """The listed arms by key (without ``nothing``)."""
        return {arm.key: arm for arm in self.arms}

    @cached_property
    def has_not_if_in(self) -> bool:
        """Whether any arm stays away from carts that hold it."""
        return any(arm.not_if_in is not None for arm in self.arms)

    @cached_property
    def worths(self) -> Mapping[str, Worth]:
        """Arm → what its outcomes are worth, ``nothing`` first."""
        common = Worth(default=self.reward.default, weights=self.reward.weights, costs={})
        own = {
            arm.key: Worth(
                default=self.reward.default,
                weights={**self.reward.weights, **arm.value},
                costs=arm.cost,
                own=frozenset(arm.value),
            )
            for arm in self.arms
        }
        return {NOTHING: common, **own}

    def worth_of(self, arm: str) -> Worth:
        """What outcomes of an arm are worth; those of unknown arms as those of ``nothing``."""
        return self.worths.get(arm, self.worths[NOTHING])

    @cached_property
    def event_types(self) -> tuple[str, ...]:
        """Event types that have a worth, for all arms or for some."""
        return tuple(
            dict.fromkeys(name for worth in self.worths.values() for name in worth.event_types)
        )

    @cached_property
    def reward_range(self) -> tuple[float, float]:
        """The least and the greatest reward: as stated, else what the arms' worths allow.

        Worked out, it is the widest over the arms, with each event type at most once a decision.
        """
        if self.reward.range is not None:
            return self.reward.range
        bounds = [worth.bounds() for worth in self.worths.values()]
        return min(low for low, _ in bounds), max(high for _, high in bounds)

    @model_validator(mode="after")
    def _has_a_reward(self) -> ExperimentSpec:
        if not self.event_types:
            raise ValueError(
                "reward: needs at least one event type, such as accept = 1.0, here or as value of "
                "an arm"
            )
        if self.reward.range is None:
            low, high = self.reward_range
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ValueError("reward.range: is missing, and no event type is worth anything")
        return self

    @property
    def largest_weight(self) -> float:
        """The largest importance weight that a decision permits any target policy."""
        return max(self.largest_nothing_weight, self.largest_offer_weight)

    @property
    def largest_nothing_weight(self) -> float:
        """The largest importance weight where ``nothing`` was drawn."""
        floor, size = self.policy.floor, self.most_offers + 1
        if self.policy.mode in {"uniform", "shadow"}:
            return float(size)
        return 1.0 / floor.nothing if isinstance(floor, FloorTable) else size / floor

    @property
    def largest_offer_weight(self) -> float:
        """The largest importance weight where an offer was drawn."""
        floor, size = self.policy.floor, self.most_offers + 1
        if self.policy.mode in {"uniform", "shadow"}:
            return float(size)
        return (size - 1) / floor.offers if isinstance(floor, FloorTable) else size / floor

    @property
    def holdout_is_stated(self) -> bool:
        """Whether somebody wrote how many are held out, rather than leaving it to the default."""
        return "holdout" in self.model_fields_set

    def to_file(self) -> dict[str, Any]:
        """The tables as they stand in an experiment file, defaults included.

        A holdout that nobody stated is left out, so that it can be told from a stated one.
        """
        unstated = set() if self.holdout_is_stated else {"holdout"}
        data: dict[str, Any] = self.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude={"reward", *unstated}
        )
        for written, arm in zip(data["arms"], self.arms, strict=True):
            written["value"] = weights_to_file(arm.value)
            written["cost"] = weights_to_file(arm.cost)
        return {**data, "reward": self.reward.to_file()}

    def to_json(self) -> str:
        """The canonical text: equal specs give equal texts."""
        return json.dumps(self.to_file(), sort_keys=True, separators=(",", ":"))

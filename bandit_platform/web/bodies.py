"""The bodies of requests and answers, as the OpenAPI document shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from bandit_platform.domain.context import (
    MAX_KEY_LENGTH,
    MAX_KEYS,
    MAX_SET_VALUE_LENGTH,
    MAX_VALUE_LENGTH,
)
from bandit_platform.domain.request_arms import RequestArms

MAX_EVENTS = 100
#: values in a list of the context, repeats included
MAX_SENT_VALUES = 500

_Name = Annotated[str, Field(min_length=1, max_length=64)]
_Text = Annotated[str, Field(min_length=1, max_length=256)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
#: null is a field that is not there
ContextValue = (
    bool
    | _Number
    | Annotated[str, Field(max_length=MAX_VALUE_LENGTH)]
    | Annotated[
        list[Annotated[str, Field(max_length=MAX_SET_VALUE_LENGTH)]],
        Field(max_length=MAX_SENT_VALUES),
    ]
    | None
)
_BodyKey = Annotated[str, Field(max_length=128)]
_ContextKey = Annotated[str, Field(min_length=1, max_length=MAX_KEY_LENGTH)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DecisionRequest(_Request):
    """What a shop asks when it could show an offer."""

    unit_id: _Text = Field(description="Whose decision this is; stored as a pseudonym only.")
    context: dict[_ContextKey, ContextValue] | None = Field(
        default=None,
        max_length=MAX_KEYS,
        description="The context fields that the experiment declares. Its [request] table sets "
        "whether undeclared fields are refused or dropped, and whether values such as numbers as "
        "text are coerced. A set field takes a list of up to 50 different texts; order and "
        "repeats do not matter. Null means that a field is absent, and [] in place of the whole "
        "context means {}.",
    )
    request_key: _Text | None = Field(
        default=None,
        description="Makes a retry return the same decision: the order id, say. With another body "
        "it is refused (409). The header Idempotency-Key does the same.",
    )
    eligible_arms: list[_Name] | None = Field(
        default=None, max_length=100, description="Only these arms (and nothing) may be shown."
    )
    excluded_arms: list[_Name] | None = Field(
        default=None, max_length=100, description="These arms may not be shown."
    )
    arms: RequestArms | None = Field(
        default=None,
        description="Arms that this request brings, where the experiment has arms_from = "
        '"request": each with its key, the features that the model may know, and the offer to hand '
        "back if it is shown. An arm of the file with the same key keeps its conditions; features "
        "are added to the file's or replace them. The body may then have 256 KiB.",
    )
    session_id: _Text | None = Field(
        default=None,
        description="Names one purchase over all its pages, such as the checkout's id; stored as a "
        "pseudonym only.",
    )
    page_id: _Text | None = Field(
        default=None,
        description="Names one page view, so that answers for the same page belong together; "
        "stored as a pseudonym only.",
    )
    baseline_arm: _Name | None = Field(
        default=None, description="The arm that the shop's own system would have shown."
    )
    baseline_arms: list[_Name] | None = Field(
        default=None, max_length=50, description="The same where it would have shown several."
    )
    defer_activation: bool | None = Field(
        default=None, description="Count this decision only once it is activated."
    )


class EventItem(_Request):
    """One reported outcome of a decision, named by its id or by experiment and request key."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["decision_id"]}, {"required": ["experiment", "request_key"]}]
        }
    )

    event_id: _Text = Field(description="Makes repeats harmless: a repeated id counts once.")
    decision_id: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="ID of the decision; otherwise send experiment and request_key."
    )
    experiment: _Name | None = Field(
        default=None, description="Experiment of the decision, if decision_id is missing."
    )
    request_key: _Text | None = Field(
        default=None,
        description="The key that the decision was requested with, such as the order ID. With a "
        "secret API key it finds the decision that a server requested; if there is none, the only "
        "one that a page showed.",
    )
    unit_id: _Text | None = Field(
        default=None,
        description="Unit of the decision, together with request_key. Required with a publishable "
        "key, which finds only decisions that pages requested.",
    )
    type: _Name = Field(description="impression, accept, dismiss, purchase, return, complaint, …")
    amount: _Number | None = Field(default=None, description="Money, in currency.")
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = Field(
        default=None, description="ISO 4217 code of the amount."
    )
    occurred_at: AwareDatetime | None = Field(
        default=None, description="When it happened; the time of receipt where it is not given."
    )


class EventsRequest(_Request):
    """A batch of outcomes; each is judged on its own."""

    events: list[dict[str, Any]] = Field(min_length=1, max_length=MAX_EVENTS)
    key: _BodyKey | None = Field(
        default=None, description="A publishable key, where no header can be sent."
    )


class WellFormedEvents(_Request):
    """A batch of which every outcome has the documented form, so that it is read at once."""

    events: list[EventItem] = Field(min_length=1, max_length=MAX_EVENTS)
    key: _BodyKey | None = None


class DecisionAnswer(BaseModel):
    """The arm to show, and how likely each arm was."""

    decision_id: str
    experiment: str
    arm: str
    offer: dict[str, Any] | None
    propensity: float
    pmf: dict[str, float]
    model_version: int | None = Field(description="The champion's.")
    model_versions: list[int] = Field(
        description="The champion's and, while another policy has a share, that policy's."
    )
    reason: Literal["policy", "uniform", "holdout", "fallback", "paused", "stopped", "draft"]
    expires_at: datetime


class EventReceipt(BaseModel):
    """What became of one reported outcome."""

    event_id: str | None
    status: Literal["accepted", "duplicate", "rejected"]
    why: str | None = None


class EventsAnswer(BaseModel):
    """A receipt for each outcome, in their order."""

    events: list[EventReceipt]


class ProblemPart(BaseModel):
    """One thing wrong with a request."""

    path: str
    message: str


class ProblemAnswer(BaseModel):
    """Why a request was refused (RFC 9457). The type is stable; values are never repeated."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ProblemPart] = []

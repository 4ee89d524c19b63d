"""One answer to a shop: what was asked, what could have been shown, what was, and why."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, InstanceOf

from bandit_platform.domain.context import ContextValue
from bandit_platform.domain.exclusion import Exclusion
from bandit_platform.domain.record import APART, record
from bandit_platform.domain.request_arms import ArmList


class Reason(StrEnum):
    """Why a decision came out as it did."""

    POLICY = "policy"
    UNIFORM = "uniform"
    HOLDOUT = "holdout"
    FALLBACK = "fallback"
    PAUSED = "paused"
    STOPPED = "stopped"
    #: asked for before the start, to try the way from shop to database; always nothing
    DRAFT = "draft"


#: What page traffic above a limit counts as, instead of its reason.
OVER_LIMIT = "over_limit"
#: Reasons whose decisions carry exact propensities: the policy traffic.
POLICY_TRAFFIC = frozenset({Reason.POLICY, Reason.UNIFORM})
#: Reasons whose decisions are measured at all: policy traffic and its holdout.
MEASURED = POLICY_TRAFFIC | {Reason.HOLDOUT}


_WRITTEN = ConfigDict(extra="forbid", ser_json_inf_nan="constants")


@record
class Draw:
    """One arm drawn for a slot of an answer, with the whole distribution it was drawn from."""

    __pydantic_config__: ClassVar[ConfigDict] = _WRITTEN

    arm: str
    #: probability with which ``arm`` was drawn
    propensity: float
    #: eligible arms in the experiment's order
    eligible: tuple[str, ...]
    #: probability of each eligible arm, in the same order
    pmf: tuple[float, ...]
    #: seed of the draw, 16 hexadecimal characters
    seed: str
    #: arm → why it was not eligible; None where every arm was
    exclusions: dict[str, Exclusion] | None = None
    #: hash of the arms and their features, if they came with the request
    arms_hash: str | None = None
    #: the list of that hash; stored and written apart from the decision
    arms: Annotated[InstanceOf[ArmList] | None, Field(exclude=True)] = field(
        default=None, compare=False, repr=False, metadata=APART
    )


@record
class Decision:
    """A logged answer. It alone reproduces the row in the database.

    Its fields, and those of :class:`Draw`, are listed here and nowhere else: the journal and the
    table's columns follow from them. Fields with a default take no space while they have it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _WRITTEN

    decision_id: str
    experiment: str
    #: number of the experiment's revision that was in force
    revision: int
    #: pseudonym of the unit
    unit: str
    decided_at: datetime
    #: end of the reward window; events after it are late
    expires_at: datetime
    reason: Reason
    context: dict[str, ContextValue]
    #: one for each slot of the answer; the position is the slot
    draws: tuple[Draw, ...]
    #: number of the deployment in force: which policies served, and with which shares
    deployment: int | None = None
    #: published versions that gave the distribution: the champion's, then the challenger's; empty
    #: for uniform and for nothing
    model_versions: tuple[int, ...] = ()
    #: counts only once the shop reports that it was really shown
    deferred: bool = False
    #: keyed hash of the request's key, if it had one
    request_key: str | None = None
    #: keyed hash of the request's body, to notice the same key with another body
    body_hash: str | None = None
    #: id of the API key that the request showed; None inside the platform
    key_id: str | None = None
    #: whether the request came with a secret key, so that a stranger cannot have sent it
    trusted: bool = True
    #: keyed hash of the network address that the request came from; None inside the platform
    address: str | None = None
    #: page traffic above the limit of its unit or address: answered, but in no estimate
    over_limit: bool = False
    #: keyed hash of what the shop calls one purchase, over all its pages
    session_id: str | None = None
    #: what the shop's own system would have shown
    baseline_arms: tuple[str, ...] = ()
    #: the decision whose outcome led to this one, and which step after it
    parent: str | None = None
    step: str | None = None
    #: the answers for one page share it
    page_id: str | None = None
    #: how often the unit met offers before, as the model was given it
    exposures: dict[str, float] | None = None
    #: the counts by which caps were judged
    cap_counts: dict[str, int] | None = None
    #: arm → probability with which its budget's pacing let it be eligible
    pacing: dict[str, float] | None = None
    #: a trial by the team, in no estimate
    test: bool = False
    #: undeclared context fields that the request had and that were dropped; only counted
    dropped_fields: int = 0

    @property
    def arm(self) -> str:
        """The arm of the first slot."""
        return self.draws[0].arm

    @property
    def propensity(self) -> float:
        """The probability with which the arm of the first slot was drawn."""
        return self.draws[0].propensity

    @property
    def eligible(self) -> tuple[str, ...]:
        """The arms that were eligible for the first slot."""
        return self.draws[0].eligible

    @property
    def pmf(self) -> tuple[float, ...]:
        """The probability of each of them."""
        return self.draws[0].pmf

    @property
    def excluded(self) -> dict[str, Exclusion]:
        """Arm → why it was not eligible for the first slot."""
        return self.draws[0].exclusions or {}

    @property
    def request_arms(self) -> ArmList | None:
        """The arms of the first slot, if they came with the request."""
        return self.draws[0].arms

    @property
    def seed(self) -> str:
        """The seed of the first slot's draw."""
        return self.draws[0].seed

    @property
    def model_version(self) -> int | None:
        """The champion's model version; None where no model decided."""
        return self.model_versions[0] if self.model_versions else None

    @property
    def measured(self) -> bool:
        """Whether it can become an interaction, which is what all estimates are made of."""
        return self.reason in MEASURED and not self.over_limit and not self.test

    @property
    def counted_as(self) -> str:
        """What it is counted under: its reason, or that the limit took it out of the measured."""
        return OVER_LIMIT if self.over_limit and self.reason in MEASURED else self.reason.value

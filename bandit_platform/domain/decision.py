"""One answer to a shop: what was asked, what could have been shown, what was, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bandit_platform.domain.context import ContextValue
from bandit_platform.domain.exclusion import Exclusion


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """A logged choice. It alone reproduces the row in the database."""

    decision_id: str
    experiment: str
    #: number of the experiment's revision that was in force
    revision: int
    #: pseudonym of the unit
    unit: str
    #: decisions answered together share it; a single answer is a slate of one
    slate_id: str
    #: position in the slate, from 0
    slot: int
    decided_at: datetime
    #: end of the reward window; events after it are late
    expires_at: datetime
    reason: Reason
    arm: str
    #: probability with which ``arm`` was drawn
    propensity: float
    #: eligible arms in the experiment's order
    eligible: tuple[str, ...]
    #: probability of each eligible arm, in the same order
    pmf: tuple[float, ...]
    #: arm → why it was not eligible
    excluded: dict[str, Exclusion]
    context: dict[str, ContextValue]
    #: seed of the draw, 16 hexadecimal characters
    seed: str
    #: published model version that gave the PMF; None for uniform and for nothing
    model_version: int | None
    #: counts only once the shop says that it was really shown
    deferred: bool
    #: keyed hash of the request's key, if it had one
    request_key: str | None
    #: keyed hash of the request's body, to notice the same key with another body
    body_hash: str | None
    #: id of the API key that the request showed; None inside the platform
    key_id: str | None = None
    #: whether the request came with a secret key, so that a stranger cannot have sent it
    trusted: bool = True
    #: keyed hash of the network address that the request came from; None inside the platform
    address: str | None = None
    #: page traffic above the limit of its unit or address: answered, but in no estimate
    over_limit: bool = False
    #: undeclared context fields that the request had and that were dropped; not stored with it
    dropped_fields: int = 0

    @property
    def measured(self) -> bool:
        """Whether it can become an interaction, which is what all estimates are made of."""
        return self.reason in MEASURED and not self.over_limit

    @property
    def counted_as(self) -> str:
        """What it is counted under: its reason, or that the limit took it out of the measured."""
        return OVER_LIMIT if self.over_limit and self.reason in MEASURED else self.reason.value

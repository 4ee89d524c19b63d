"""What happened after decisions, as named records: part of an experiment's report."""

from __future__ import annotations

from dataclasses import dataclass, field

from bandit_platform.domain.direction import Direction
from bandit_platform.services.reporting.report_records import EstimateRow


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """One outcome under two policies, and against always showing nothing."""

    #: event type, ``(other)`` for types there was no room for, or ``revenue``
    name: str
    #: share of decisions, or a currency per decision
    unit: str
    direction: Direction
    #: interactions in which it happened; of revenue, in which there was any purchase
    decisions: int
    #: as it was served
    logging: EstimateRow
    logging_uplift: EstimateRow
    #: under the learned policy; None where none learns
    serving: EstimateRow | None
    serving_uplift: EstimateRow | None
    #: both uplifts, for all of them over all outcomes to hold together
    logging_corrected: EstimateRow | None = None
    serving_corrected: EstimateRow | None = None


@dataclass(frozen=True, kw_only=True)
class RegretRow:
    """A trouble per offer shown."""

    #: dismiss, return or complaint
    name: str
    #: offers shown that it followed
    count: int
    rate: EstimateRow


@dataclass(frozen=True, kw_only=True)
class Restraint:
    """How sparingly offers were shown, and what that cost in regret."""

    #: matured decisions of the policy traffic
    decisions: int
    #: those in which nothing was shown on purpose
    nothing: int
    #: those in which an offer was
    offers: int
    #: units they were made for
    units: int
    regrets: tuple[RegretRow, ...]
    #: reward over all decisions, and over those in which an offer was shown
    reward: EstimateRow | None
    reward_per_offer: EstimateRow

    @property
    def nothing_share(self) -> float:
        """Share of the decisions in which nothing was shown."""
        return self.nothing / self.decisions if self.decisions else 0.0

    @property
    def offers_per_unit(self) -> float:
        """Offers shown for each unit."""
        return self.offers / self.units if self.units else 0.0


@dataclass(frozen=True, kw_only=True)
class FunnelStep:
    """How many decisions came so far."""

    #: decided, shown, accepted, purchased, kept, returned or complained
    name: str
    #: where an offer was shown; of the first step, of all decisions
    offers: int
    #: where nothing was shown; None for steps that need an offer
    nothing: int | None


@dataclass(frozen=True, kw_only=True)
class DayRow:
    """What happened after the decisions of one day in the experiment's time zone."""

    day: str
    decisions: int
    shown: int
    reward: float
    revenue: float
    #: event type → decisions after which it happened
    happened: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Happened:
    """What happened after the matured decisions of the policy traffic."""

    #: interactions behind all this
    interactions: int
    #: earlier ones that were learned from before metrics were kept
    skipped: int
    #: of the revenue; None before an amount names one
    currency: str | None
    #: amounts left out because they are in another currency
    foreign: int
    metrics: tuple[MetricRow, ...]
    restraint: Restraint
    funnel: tuple[FunnelStep, ...]
    #: the newest ones, oldest first
    days: tuple[DayRow, ...]
    #: how many uplifts of outcomes the corrected ones hold together with
    metric_looks: int = 1

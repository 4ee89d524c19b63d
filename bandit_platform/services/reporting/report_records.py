"""What a report on an experiment says: named records, read by dashboard, API and command line.

Values and uplifts are in reward units; every interval names its method.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from bandit_platform.services.reporting.comparison_records import PairRow, SegmentField
    from bandit_platform.services.reporting.happened_records import Happened


@dataclass(frozen=True, kw_only=True)
class EstimateRow:
    """A number with its interval."""

    value: float | None
    lower: float
    upper: float
    #: method: confidence-sequence, asymptotic-cs or linearised-normal
    interval: str
    #: interactions (or units, for the programme uplift) behind it
    n: int
    #: too little data: the bounds are vacuous or not to be shown yet
    collecting: bool


@dataclass(frozen=True, kw_only=True)
class PolicyRow:
    """One line of the leaderboard."""

    name: str
    kind: Literal["logging", "serving", "candidate", "version", "fixed"]
    #: value with its confidence sequence
    value: EstimateRow
    #: self-normalised value with its linearised normal interval (valid at one look only)
    snips: EstimateRow
    #: uplift over always showing nothing, with a confidence sequence of its own
    uplift: EstimateRow
    #: effective sample size
    ess: float
    #: largest importance weight so far
    max_weight: float
    #: mean importance weight; 1 when propensities are right
    mean_weight: float
    #: ok, caution or cannot-evaluate
    verdict: str = "ok"
    #: plain reasons for a verdict other than ok, each with what to do
    why: tuple[str, ...] = ()
    #: interactions on which its model failed; it counts as showing nothing there
    failures: int = 0
    #: hash of a learned policy
    policy_hash: str | None = None
    #: what experiment file and deployments call a learned policy
    own_names: tuple[str, ...] = ()
    #: champion or challenger of the deployment in force
    role: Literal["champion", "challenger"] | None = None
    #: interactions before the first one that it is valued on: those a pinned version learned from
    before: int = 0
    #: value and uplift for all policies of the leaderboard to hold together; whole reports only
    corrected_value: EstimateRow | None = None
    corrected_uplift: EstimateRow | None = None

    @property
    def identity(self) -> str:
        """What the policy is, whatever its row is called."""
        if self.policy_hash is None:
            return self.name
        return f"{self.name}:{self.policy_hash}" if self.kind == "version" else self.policy_hash


@dataclass(frozen=True, kw_only=True)
class ArmRow:
    """One arm in the policy traffic that has matured."""

    arm: str
    #: whether the present revision still lists it (``nothing`` always)
    active: bool
    #: interactions in which it was drawn
    interactions: int
    #: share of the policy traffic's interactions
    share: float
    #: mean reward where it was drawn; not comparable across arms while a policy learns
    mean_reward: float | None
    #: what its outcomes brought, took back (at most 0) and cost, before the range cuts anything
    gross: float = 0.0
    taken_back: float = 0.0
    costs: float = 0.0
    #: as the newest revision that lists it says
    advertiser: str | None = None
    category: str | None = None
    #: event type → its own value, and event type → what it costs, as in the experiment file
    value: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MoneyRow:
    """What the offers of one advertiser or category brought and cost, in reward units."""

    by: Literal["advertiser", "category"]
    #: None: the offers without one
    name: str | None
    arms: tuple[str, ...]
    #: interactions in which one of them was drawn
    interactions: int
    gross: float
    #: returns and penalties, at most 0
    taken_back: float
    costs: float
    net: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "net", self.gross + self.taken_back - self.costs)


@dataclass(frozen=True, kw_only=True)
class QualityRow:
    """Whether the logged propensities agree with what was drawn; both tests hold at every look."""

    #: interactions tested
    n: int = 0
    #: evidence that rows of some arm are missing or doubled: alarm at 100 or more
    sample_ratio_evidence: float = 1.0
    sample_ratio_alarm: bool = False
    #: arms drawn more or less often than their propensities permit
    miscalibrated: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What arrived and what became of it. Every decision is in exactly one place."""

    decisions: int
    #: reason → decisions
    by_reason: dict[str, int]
    #: measured decisions whose reward window has not ended
    immature: int
    #: decisions that matured, by whether they are policy traffic or holdout
    interactions: int
    holdout_interactions: int
    #: deferred decisions that were never activated inside their window
    not_activated: int
    #: interactions the serving policy has learned from
    learned: int
    events: int
    #: type → events
    events_by_type: dict[str, int]
    #: events that came too late to count, ``late_arrivals`` among them
    late: int
    orphan: int
    #: interactions whose reward the declared range cut
    clipped: int
    #: events whose amount is in another currency than the experiment's
    other_currency: int
    #: decisions that two nodes made differently under one request key; in no estimate
    disputed: int = 0
    #: amounts left out because a page named their currency while the experiment has none
    unknown_currency: int = 0
    #: events dated before their decision by more than clocks may differ; in no reward
    early_events: int = 0
    #: reports whose content differs from another one under the same event id
    conflicting_events: int = 0
    #: those of which that was noticed after they had matured; they are in the estimates
    disputed_late: int = 0
    #: events acknowledged inside the window that a node moved into the database too late
    late_arrivals: int = 0
    #: interactions whose stored row no policy could take in; the log says which and why
    left_out: int = 0
    #: requests refused because their request key was used before with another body
    server_conflicts: int = 0
    page_conflicts: int = 0
    #: decisions of page traffic above the limit of a unit or address; in no estimate
    over_limit: int = 0
    #: decisions whose request had undeclared context fields, which were dropped
    with_dropped_fields: int = 0
    #: how many fields were dropped (at most 50 are counted) → decisions
    dropped_fields: dict[str, int] = field(default_factory=dict)
    #: outcomes that named their decision by request key
    request_events: int = 0
    #: why → those of them whose decision was not found: unknown, not_shown or ambiguous
    unresolved: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TimelinePolicy:
    """One policy at one moment."""

    value: float
    lower: float
    upper: float
    uplift: float
    uplift_lower: float
    uplift_upper: float


@dataclass(frozen=True, kw_only=True)
class TimelineProgramme:
    """The programme uplift at one moment, per unit."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class TimelinePoint:
    """The state of the estimates at one moment."""

    at: datetime
    #: interactions so far
    n: int
    #: policy → its estimates
    policies: dict[str, TimelinePolicy]
    #: arm → interactions so far in which it was drawn
    arms: dict[str, int]
    #: arm → sum of their rewards so far; empty where it was not kept yet
    rewards: dict[str, float] = field(default_factory=dict)
    #: over the holdout; None while it collects, or was not kept yet
    programme: TimelineProgramme | None = None


@dataclass(frozen=True, kw_only=True)
class PageSourceRow:
    """A key, unit or address that much page traffic comes from."""

    kind: Literal["key", "unit", "address"]
    #: id of the key, or pseudonym
    name: str
    #: of the key; empty for others
    label: str
    #: decisions since it is counted, and those of them above a limit
    decisions: int
    over_limit: int


@dataclass(frozen=True, kw_only=True)
class ImplausibleRow:
    """A source whose decisions of one arm are rewarded far more often than the others' are."""

    kind: Literal["key", "unit", "address"]
    name: str
    label: str
    arm: str
    #: its matured decisions of the arm, and those with a reward above the default
    decisions: int
    rewarded: int
    #: the same of all other page traffic
    other_decisions: int
    other_rewarded: int


@dataclass(frozen=True, kw_only=True)
class PageTraffic:
    """Decisions asked for with publishable keys, which anybody can take out of a page."""

    #: those below the limits and above them
    decisions: int = 0
    over_limit: int = 0
    #: address with most of it
    largest_address: PageSourceRow | None = None
    #: what was above the limits most often, most first, some of each kind
    floods: tuple[PageSourceRow, ...] = ()
    implausible: tuple[ImplausibleRow, ...] = ()


@dataclass(frozen=True, kw_only=True)
class UnresolvedEvent:
    """An outcome that named its decision by a request key, and no decision was found."""

    event_id: str
    type: str
    occurred_at: datetime
    #: sent by a server
    trusted: bool
    #: unknown, not_shown or ambiguous
    why: str


@dataclass(frozen=True, kw_only=True)
class RevisionMark:
    """When a revision came into force."""

    number: int
    at: datetime


@dataclass(frozen=True, kw_only=True)
class ExperimentReport:
    """Everything that is known about an experiment at a moment."""

    experiment: str
    placement: str
    owner: str
    hypothesis: str
    state: str
    revision: int
    time_zone: str
    as_of: datetime
    started_at: datetime | None
    #: moment of the newest matured decision
    data_until: datetime | None
    #: the finding in one sentence
    finding: str
    reward_range: tuple[float, float]
    #: newest published model version of the serving policy, when, after how many interactions
    model_version: int | None
    model_published_at: datetime | None
    model_interactions: int
    counts: Counts
    #: randomised uplift per unit: policy units minus holdout units
    programme: EstimateRow
    holdout_share: float
    units: int
    holdout_units: int
    policies: tuple[PolicyRow, ...]
    arms: tuple[ArmRow, ...]
    #: by advertiser and by category; empty where no arm declares one
    money: tuple[MoneyRow, ...] = ()
    #: of the rewards; None while none is declared or known
    currency: str | None = None
    timeline: tuple[TimelinePoint, ...]
    revisions: tuple[RevisionMark, ...]
    quality: QualityRow = QualityRow()
    page_traffic: PageTraffic = PageTraffic()
    #: why the numbers may mislead, each a sentence with what to do
    cautions: tuple[str, ...] = ()
    #: the newest outcomes whose decision was not found
    unresolved_events: tuple[UnresolvedEvent, ...] = ()
    #: every context field cut into segments; whole reports only, as what follows
    segments: tuple[SegmentField, ...] = ()
    #: segments of all fields: each corrected interval has this part of the error
    segment_looks: int = 0
    #: every policy over every other one
    pairwise: tuple[PairRow, ...] = ()
    #: policies on the leaderboard: each corrected interval has this part of the error
    policy_looks: int = 0
    #: what happened after decisions; None before the first interaction was taken in
    happened: Happened | None = None

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready tables; moments in ISO 8601, unbounded as null."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value

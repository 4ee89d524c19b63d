"""The tables of experiments, decisions, events and of the work on them.

Moments are whole microseconds since 1970 in UTC, so that they compare and index alike on every
database and come back exactly as they were written. Lists and objects are JSON text. Rows of
``decision``, ``event``, ``interaction`` and ``model_version`` are never changed once written,
except for an event's flags, and for a page's event until a server reports the same one.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    Text,
    text,
)
from sqlmodel import Field, SQLModel

#: SQLite numbers rows only in a column of this very type.
_BIG = BigInteger().with_variant(Integer, "sqlite")


def moment(*, nullable: bool = False, index: bool = False) -> Column[int]:
    """A column of whole microseconds since 1970 in UTC."""
    return Column(BigInteger, nullable=nullable, index=index)


class ExperimentRow(SQLModel, table=True):
    """An experiment as it stands."""

    __tablename__ = "experiment"

    key: str = Field(primary_key=True)
    state: str
    #: number of the revision in force
    revision: int
    #: the currency of the first trusted amount that counted, unless the spec declares one
    currency: str | None = None
    created_at: int = Field(sa_column=moment())
    started_at: int | None = Field(default=None, sa_column=moment(nullable=True))
    stopped_at: int | None = Field(default=None, sa_column=moment(nullable=True))


class RevisionRow(SQLModel, table=True):
    """A spec as it was in force from a moment on."""

    __tablename__ = "revision"

    experiment: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    #: canonical JSON of the spec
    spec: str = Field(sa_column=Column(Text, nullable=False))
    created_at: int = Field(sa_column=moment())


class DecisionRow(SQLModel, table=True):
    """A logged answer with its whole distribution; columns as ``decision_rows`` writes them."""

    __tablename__ = "decision"
    __table_args__ = (
        Index("decision_by_time", "experiment", "decided_at"),
        Index("decision_by_unit", "unit", "decided_at"),
        Index(
            "decision_by_request",
            "request_key",
            "decided_at",
            sqlite_where=text("request_key IS NOT NULL"),
            postgresql_where=text("request_key IS NOT NULL"),
        ),
        Index(
            "decision_by_arms",
            "arms_hash",
            sqlite_where=text("arms_hash IS NOT NULL"),
            postgresql_where=text("arms_hash IS NOT NULL"),
        ),
    )

    decision_id: str = Field(primary_key=True)
    experiment: str
    revision: int
    unit: str
    decided_at: int = Field(sa_column=moment())
    expires_at: int = Field(sa_column=moment())
    reason: str
    context: str = Field(sa_column=Column(Text, nullable=False))
    deployment: int | None = None
    model_versions: str | None = None
    deferred: bool
    request_key: str | None = None
    body_hash: str | None = None
    key_id: str | None = None
    trusted: bool
    address: str | None = None
    over_limit: bool
    session_id: str | None = None
    baseline_arms: str | None = Field(default=None, sa_column=Column(Text))
    parent: str | None = None
    step: str | None = None
    page_id: str | None = None
    exposures: str | None = Field(default=None, sa_column=Column(Text))
    cap_counts: str | None = Field(default=None, sa_column=Column(Text))
    pacing: str | None = Field(default=None, sa_column=Column(Text))
    test: bool
    arm: str
    propensity: float
    eligible: str = Field(sa_column=Column(Text, nullable=False))
    pmf: str = Field(sa_column=Column(Text, nullable=False))
    seed: str
    exclusions: str | None = Field(default=None, sa_column=Column(Text))
    arms_hash: str | None = None
    #: the draws of further slots
    more_draws: str | None = Field(default=None, sa_column=Column(Text))


class RequestArmRow(SQLModel, table=True):
    """An arm that came with a request: its key and features, once for all that were equal."""

    __tablename__ = "request_arm"

    number: int = Field(sa_column=Column(_BIG, primary_key=True, autoincrement=False))
    #: hash of the content
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False, unique=True))
    #: JSON list of key and features
    content: str = Field(sa_column=Column(Text, nullable=False))


class ArmListRow(SQLModel, table=True):
    """The arms that decisions chose from, in order, if they came with requests."""

    __tablename__ = "arm_list"

    #: as in ``decision.arms_hash``
    hash: str = Field(primary_key=True)
    #: numbers of the arms, four bytes each, the lowest byte first
    members: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ImmatureRow(SQLModel, table=True):
    """A measured decision whose reward window has not ended yet; deleted when it matures."""

    __tablename__ = "immature"

    decision_id: str = Field(primary_key=True)
    experiment: str = Field(index=True)
    matures_at: int = Field(sa_column=moment(index=True))


class ActivationRow(SQLModel, table=True):
    """A deferred decision that was really shown."""

    __tablename__ = "activation"

    decision_id: str = Field(primary_key=True)
    activated_at: int = Field(sa_column=moment())


class EventRow(SQLModel, table=True):
    """A reported outcome."""

    __tablename__ = "event"

    decision_id: str = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    type: str
    amount: float | None = None
    currency: str | None = None
    occurred_at: int = Field(sa_column=moment())
    received_at: int = Field(sa_column=moment())
    trusted: bool
    #: outside the reward window, dated before the decision, or after the decision matured: kept,
    #: counted, not rewarded
    late: bool
    #: why it is late: a code of ``Lateness``; NULL where it is not
    late_because: str | None = None
    #: the decision is not in the database (yet)
    orphan: bool = Field(index=True)


_IS_WAITING = text("state = 'waiting'")
_IS_OPEN = text("state IN ('unknown', 'not_shown', 'ambiguous')")


class RequestEventRow(SQLModel, table=True):
    """An outcome reported for a request key; stays when its decision was found, against repeats."""

    __tablename__ = "request_event"
    __table_args__ = (
        Index(
            "request_event_waiting",
            "received_at",
            sqlite_where=_IS_WAITING,
            postgresql_where=_IS_WAITING,
        ),
        Index(
            "request_event_waiting_by_request",
            "request_key",
            sqlite_where=_IS_WAITING,
            postgresql_where=_IS_WAITING,
        ),
        Index(
            "request_event_open",
            "experiment",
            "received_at",
            sqlite_where=_IS_OPEN,
            postgresql_where=_IS_OPEN,
        ),
        Index("request_event_by_decision", "decision_id"),
        Index("request_event_by_unit", "unit"),
    )

    experiment: str = Field(primary_key=True)
    #: its hash, as in the decision
    request_key: str = Field(primary_key=True)
    #: empty where the report names none
    unit: str = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    trusted: bool = Field(primary_key=True)
    type: str
    amount: float | None = None
    currency: str | None = None
    occurred_at: int = Field(sa_column=moment())
    received_at: int = Field(sa_column=moment())
    #: waiting, found, unknown, not_shown or ambiguous
    state: str
    #: where it was found; then the event is stored with the decision as well
    decision_id: str | None = None


class InteractionRow(SQLModel, table=True):
    """A decision joined with its mature reward, numbered by the one writer there is."""

    __tablename__ = "interaction"
    __table_args__ = (Index("interaction_by_experiment", "experiment", "number"),)

    number: int | None = Field(
        default=None, sa_column=Column(_BIG, primary_key=True, autoincrement=True)
    )
    decision_id: str = Field(unique=True)
    experiment: str
    #: policy traffic; False for the holdout
    policy_traffic: bool
    reward: float
    clipped: bool
    #: the revision whose reward and event rules counted; NULL in rows filled in to measure
    reward_revision: int | None = None
    #: the experiment's currency when the reward became final; NULL while none was known
    currency: str | None = None


class DisputeRow(SQLModel, table=True):
    """A stored decision that another node made differently under the same request key."""

    __tablename__ = "dispute"

    decision_id: str = Field(primary_key=True)
    experiment: str
    #: the other decision, as JSON of its columns
    other: str = Field(sa_column=Column(Text, nullable=False))


class SkippedRow(SQLModel, table=True):
    """An interaction that no policy could take in, which nobody walks over again."""

    __tablename__ = "skipped"

    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    experiment: str = Field(index=True)
    why: str = Field(sa_column=Column(Text, nullable=False))


class ExclusionRow(SQLModel, table=True):
    """How often an arm was eligible, shown or out, and why, under one revision."""

    __tablename__ = "exclusion"

    experiment: str = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    #: empty for what concerns the decision as a whole
    arm: str = Field(primary_key=True)
    #: eligible, shown, out or decided
    fate: str = Field(primary_key=True)
    #: an exclusion as JSON for an arm that was out, the decision's reason for one as a whole
    why: str = Field(primary_key=True)
    decisions: int = Field(sa_column=Column(BigInteger, nullable=False))


class AuditStateRow(SQLModel, table=True):
    """How far the worker has recomputed an experiment's decisions, and what did not agree."""

    __tablename__ = "audit_state"

    experiment: str = Field(primary_key=True)
    #: moment and id of the last decision looked at
    decided_at: int = Field(sa_column=moment())
    decision_id: str
    checked: int = Field(sa_column=Column(BigInteger, nullable=False))
    mismatches: int = Field(sa_column=Column(BigInteger, nullable=False))
    #: JSON list of the newest mismatches, a few
    newest: str = Field(sa_column=Column(Text, nullable=False))
    checked_at: int = Field(sa_column=moment())


class UnitTotalRow(SQLModel, table=True):
    """What a unit's interactions brought, for the randomised contrast with the holdout."""

    __tablename__ = "unit_total"

    experiment: str = Field(primary_key=True)
    unit: str = Field(primary_key=True)
    holdout: bool
    total: float


class CounterRow(SQLModel, table=True):
    """A running count of an experiment, such as ``decisions.policy`` or ``events.late``."""

    __tablename__ = "counter"

    experiment: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    value: float


class EventTypeStateRow(SQLModel, table=True):
    """Event types of an experiment that have no counter of their own yet, and who reported them."""

    __tablename__ = "event_type_state"

    experiment: str = Field(primary_key=True)
    state: str = Field(sa_column=Column(Text, nullable=False))


class JournalPositionRow(SQLModel, table=True):
    """How far a journal segment has been taken over."""

    __tablename__ = "journal_position"

    segment: str = Field(primary_key=True)
    position: int = Field(sa_column=Column(BigInteger, nullable=False))


class NodeRow(SQLModel, table=True):
    """How far a node's journal has been moved into the database; see ``storage.nodes``."""

    __tablename__ = "node"

    node_id: str = Field(primary_key=True)
    host: str
    drained_until: int = Field(sa_column=moment())
    seen_at: int = Field(sa_column=moment())
    given_up_at: int | None = Field(default=None, sa_column=moment(nullable=True))


class SecretFingerprintRow(SQLModel, table=True):
    """Fingerprint of the secret that the data belong to; a single row."""

    __tablename__ = "secret_fingerprint"

    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    fingerprint: str


class LeaseRow(SQLModel, table=True):
    """Who leads the work on this database, and until when."""

    __tablename__ = "lease"

    name: str = Field(primary_key=True)
    holder: str
    expires_at: int = Field(sa_column=moment())


class KeyRow(SQLModel, table=True):
    """A key: who may ask, report, look or change. Its secret is nowhere, only its digest."""

    __tablename__ = "key"

    key_id: str = Field(primary_key=True)
    digest: str
    #: NULL for a publishable key
    role: str | None = None
    #: JSON list of experiments it opens; NULL for all
    experiments: str | None = None
    #: JSON list of web origins
    origins: str
    label: str
    created_at: int = Field(sa_column=moment())
    expires_at: int | None = Field(default=None, sa_column=moment(nullable=True))
    revoked_at: int | None = Field(default=None, sa_column=moment(nullable=True))
    last_used_at: int | None = Field(default=None, sa_column=moment(nullable=True))

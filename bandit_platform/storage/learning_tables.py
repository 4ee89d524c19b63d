"""The tables of what is learned, what serves and what is summed for reports."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from bandit_platform.storage.tables import moment


class ModelUseRow(SQLModel, table=True):
    """A model version that some stored decision refers to, so that it must be kept."""

    __tablename__ = "model_use"

    experiment: str = Field(primary_key=True)
    version: int = Field(primary_key=True)


class ModelVersionRow(SQLModel, table=True):
    """A published, immutable model."""

    __tablename__ = "model_version"
    __table_args__ = (Index("model_version_by_model", "experiment", "model_hash", "version"),)

    experiment: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    model_hash: str
    arguments: str
    blob: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    blob_hash: str
    #: interactions learned from, and the number of the last of them
    interactions: int
    cursor: int = Field(sa_column=Column(BigInteger, nullable=False))
    published_at: int = Field(sa_column=moment())


class ModelStateRow(SQLModel, table=True):
    """A model as far as it has learned, whichever policies use it."""

    __tablename__ = "model_state"

    experiment: str = Field(primary_key=True)
    model_hash: str = Field(primary_key=True)
    #: 0 has learned most; further lines value policies that are new, and end where they meet it
    line: int = Field(primary_key=True)
    #: number of the last interaction learned from
    cursor: int = Field(sa_column=Column(BigInteger, nullable=False))
    interactions: int
    blob: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    #: hash of all this
    digest: str


class PolicyStateRow(SQLModel, table=True):
    """The progress of one tracked policy; changes in one transaction with its model's."""

    __tablename__ = "policy_state"

    experiment: str = Field(primary_key=True)
    #: hash of a learned policy, name of a fixed one
    policy_hash: str = Field(primary_key=True)
    #: number of the last interaction taken in
    cursor: int = Field(sa_column=Column(BigInteger, nullable=False))
    interactions: int
    accumulator: str = Field(sa_column=Column(Text, nullable=False))
    #: interactions on which its model failed, and the newest of them
    failures: int = Field(sa_column=Column(BigInteger, nullable=False))
    failure: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    #: hash of all this
    digest: str


class NamedPolicyRow(SQLModel, table=True):
    """A learned policy that an experiment's newest revision names or a deployment had."""

    __tablename__ = "policy"

    experiment: str = Field(primary_key=True)
    policy_hash: str = Field(primary_key=True)
    #: as the newest revision that names it does
    name: str
    #: JSON of its model, exploration, floor and minimum value
    definition: str = Field(sa_column=Column(Text, nullable=False))


class DeploymentRow(SQLModel, table=True):
    """Which policies serve an experiment, from a moment on; rows are only ever added."""

    __tablename__ = "deployment"

    experiment: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    champion: str
    challenger: str | None = None
    share: float
    champion_version: int | None = None
    challenger_version: int | None = None
    held: bool
    #: the version that the champion of the deployment before served last
    version_before: int | None = None
    since: int = Field(sa_column=moment())
    #: who made it, as in the audit log
    by_kind: str
    by_name: str
    action: str
    #: JSON of the evidence at that moment
    why: str = Field(sa_column=Column(Text, nullable=False))


class QualityRow(SQLModel, table=True):
    """Whether the logged propensities agree with what was drawn, as running tests."""

    __tablename__ = "quality"

    experiment: str = Field(primary_key=True)
    state: str = Field(sa_column=Column(Text, nullable=False))


class MetricStateRow(SQLModel, table=True):
    """What happened after decisions, valued for one policy; changes with that policy's cursor."""

    __tablename__ = "metric_state"

    experiment: str = Field(primary_key=True)
    #: hash of a learned policy, name of a fixed one
    policy_hash: str = Field(primary_key=True)
    #: number of the last interaction taken in
    cursor: int = Field(sa_column=Column(BigInteger, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))


class MetricDayRow(SQLModel, table=True):
    """Sums over the interactions decided on one day in the experiment's time zone."""

    __tablename__ = "metric_day"

    experiment: str = Field(primary_key=True)
    #: such as 2026-11-22
    day: str = Field(primary_key=True)
    sums: str = Field(sa_column=Column(Text, nullable=False))


class RollupRow(SQLModel, table=True):
    """Sums of segments and of policies over one another; changes with the policies' cursors."""

    __tablename__ = "rollup"

    experiment: str = Field(primary_key=True)
    #: a header and then numbers; see the service that reads it
    state: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class TimelineRow(SQLModel, table=True):
    """The estimates after a number of interactions."""

    __tablename__ = "timeline"

    experiment: str = Field(primary_key=True)
    interactions: int = Field(primary_key=True)
    at: int = Field(sa_column=moment())
    payload: str = Field(sa_column=Column(Text, nullable=False))

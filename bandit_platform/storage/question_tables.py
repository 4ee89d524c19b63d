"""The table of questions: saved off-policy evaluations, waiting, running and answered."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Text
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Column[int]:
    return Column(BigInteger, nullable=nullable)


def _count() -> Column[int]:
    return Column(BigInteger, nullable=False)


class QuestionRow(SQLModel, table=True):
    """What somebody asked about an experiment, and the answer."""

    __tablename__ = "question"
    __table_args__ = (
        Index("question_by_state", "state"),
        Index("question_by_time", "created_at"),
    )

    question_id: str = Field(primary_key=True)
    #: kind and name of whoever asked
    actor_kind: str
    actor_name: str
    experiment: str
    #: JSON of what is asked
    question: str = Field(sa_column=Column(Text, nullable=False))
    #: queued, running, done, failed or cancelled
    state: str
    #: rows walked so far, of how many
    done: int = Field(sa_column=_count())
    total: int = Field(sa_column=_count())
    #: how often work on it began
    attempts: int
    #: process that works on it, and when it last said so
    holder: str | None = None
    beat_at: int | None = Field(default=None, sa_column=_moment(nullable=True))
    #: decisions valued
    rows: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    headline: str = Field(sa_column=Column(Text, nullable=False))
    #: JSON of the report
    result: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    error: str = Field(sa_column=Column(Text, nullable=False))
    created_at: int = Field(sa_column=_moment())
    started_at: int | None = Field(default=None, sa_column=_moment(nullable=True))
    finished_at: int | None = Field(default=None, sa_column=_moment(nullable=True))

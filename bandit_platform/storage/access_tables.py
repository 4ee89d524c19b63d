"""The tables of people: who may sign in, who is signed in, one-time links, and the audit log.

No secret stands in them: passwords as argon2 hashes, tokens of sessions and links as digests.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, Text
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False, index: bool = False) -> Column[int]:
    return Column(BigInteger, nullable=nullable, index=index)


class UserRow(SQLModel, table=True):
    """Somebody who may sign in to the console."""

    __tablename__ = "console_user"

    name: str = Field(primary_key=True)
    role: str
    #: argon2 hash; NULL until the person has chosen a password
    password: str | None = None
    created_at: int = Field(sa_column=_moment())
    disabled_at: int | None = Field(default=None, sa_column=_moment(nullable=True))
    signed_in_at: int | None = Field(default=None, sa_column=_moment(nullable=True))


class SessionRow(SQLModel, table=True):
    """A user's session in one browser; deleted when it ends."""

    __tablename__ = "console_session"

    digest: str = Field(primary_key=True)
    name: str = Field(index=True)
    started_at: int = Field(sa_column=_moment())
    seen_at: int = Field(sa_column=_moment(index=True))


class LinkRow(SQLModel, table=True):
    """A link that opens something once."""

    __tablename__ = "one_time_link"

    digest: str = Field(primary_key=True)
    purpose: str
    #: the user it is for; NULL where a first administrator is still to be named
    name: str | None = None
    created_at: int = Field(sa_column=_moment())
    expires_at: int = Field(sa_column=_moment())
    used_at: int | None = Field(default=None, sa_column=_moment(nullable=True))


class AttemptRow(SQLModel, table=True):
    """An attempt to sign in that failed, or is being looked at; kept for a quarter of an hour."""

    __tablename__ = "sign_in_attempt"

    number: int | None = Field(
        default=None,
        sa_column=Column(
            BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
        ),
    )
    #: keyed hash of name and address, or of the address alone; a name may be a mistyped password
    who: str = Field(index=True)
    at: int = Field(sa_column=_moment(index=True))


class AuditRow(SQLModel, table=True):
    """Who did what. Triggers of the database refuse to change or delete a row."""

    __tablename__ = "audit_log"

    number: int | None = Field(
        default=None,
        sa_column=Column(
            BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
        ),
    )
    at: int = Field(sa_column=_moment(index=True))
    kind: str
    name: str = Field(index=True)
    what: str
    subject: str = Field(index=True)
    #: JSON list of {path, before, after}
    difference: str = Field(sa_column=Column(Text, nullable=False))

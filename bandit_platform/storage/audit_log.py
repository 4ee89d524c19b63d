"""The audit log: written in the transaction of what it tells of, and never changed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Row, insert, select

from bandit_platform.domain.actor import Actor
from bandit_platform.domain.audit_entry import AuditEntry
from bandit_platform.domain.revision import Change
from bandit_platform.storage.access_tables import AuditRow
from bandit_platform.storage.statements import from_micros, table, to_micros

_LOG = table(AuditRow)


@dataclass(frozen=True, kw_only=True)
class Sought:
    """Which entries are wanted; what is empty or None does not narrow."""

    #: name of whoever acted
    who: str = ""
    #: an act, such as ``key.created``, or the beginning of several, such as ``key.``
    what: str = ""
    subject: str = ""
    since: datetime | None = None
    before: datetime | None = None


EVERYONE = Sought()


def note(
    connection: Connection,
    at: datetime,
    by: Actor,
    what: str,
    subject: str,
    *,
    difference: Iterable[Change] = (),
) -> None:
    """Write down what was done, in the transaction that does it."""
    told = [{"path": d.path, "before": d.before, "after": d.after} for d in difference]
    connection.execute(
        insert(_LOG).values(
            at=to_micros(at),
            kind=by.kind,
            name=by.name[:256],
            what=what,
            subject=subject,
            difference=json.dumps(told, ensure_ascii=False, default=str),
        )
    )


def entries(
    connection: Connection,
    *,
    subject: str = "",
    sought: Sought = EVERYONE,
    most: int = 100,
    older_than: int | None = None,
) -> list[AuditEntry]:
    """Entries, newest first.

    Args:
        connection: to the database.
        subject: only of this subject, see :func:`subject_of`.
        sought: further conditions.
        most: how many at most.
        older_than: only those with a smaller number, to go on after a page.
    """
    conditions = _conditions(sought)
    if subject:
        conditions.append(_LOG.c.subject == subject)
    if older_than is not None:
        conditions.append(_LOG.c.number < older_than)
    rows = connection.execute(
        select(_LOG).where(*conditions).order_by(_LOG.c.number.desc()).limit(most)
    )
    return [_entry(row) for row in rows]


def _conditions(sought: Sought) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if sought.who:
        found.append(_LOG.c.name.contains(sought.who, autoescape=True))
    if sought.what:
        found.append(_LOG.c.what.startswith(sought.what, autoescape=True))
    if sought.subject:
        found.append(_LOG.c.subject.contains(sought.subject, autoescape=True))
    if sought.since is not None:
        found.append(_LOG.c.at >= to_micros(sought.since))
    if sought.before is not None:
        found.append(_LOG.c.at < to_micros(sought.before))
    return found


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        number=row.number,
        at=from_micros(row.at),
        by=Actor(kind=cast("Any", row.kind), name=row.name),
        what=row.what,
        subject=row.subject,
        difference=tuple(Change(**each) for each in json.loads(row.difference)),
    )

"""What the audit log says of one act."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bandit_platform.domain.actor import Actor
from bandit_platform.domain.revision import Change


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """Who did what to what, and what was different afterwards."""

    #: counts up, without meaning beyond the order
    number: int
    at: datetime
    by: Actor
    #: such as ``experiment.changed``; the part before the dot is the kind of the subject
    what: str
    #: kind and name, such as ``experiment:checkout-offers``
    subject: str
    difference: tuple[Change, ...]


def subject_of(kind: str, name: str) -> str:
    """The name under which the audit log knows a thing: ``experiment:checkout-offers``."""
    return f"{kind}:{name}"

"""The audit log in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bandit_platform.domain.audit_entry import AuditEntry
from bandit_platform.domain.revision import Change
from dashboards.text import moment

#: act → what a person would say
ACTS: dict[str, str] = {
    "experiment.created": "created the experiment",
    "experiment.changed": "changed the experiment",
    "experiment.started": "started the experiment",
    "experiment.paused": "paused the experiment",
    "experiment.resumed": "resumed the experiment",
    "experiment.stopped": "stopped the experiment",
    "experiment.archived": "archived the experiment",
    "experiment.promoted": "promoted a policy of the experiment",
    "experiment.ramped": "ramped a policy of the experiment",
    "experiment.held": "held the deployment of the experiment",
    "experiment.pinned": "pinned a model version of the experiment",
    "experiment.released": "released the deployment of the experiment",
    "experiment.rolled_back": "rolled back the experiment",
    "key.created": "created the key",
    "key.rotated": "replaced the key",
    "key.revoked": "ended the key",
    "user.created": "created the user",
    "user.changed": "changed the role of",
    "user.disabled": "disabled the user",
    "user.enabled": "enabled the user",
    "user.link-made": "made a one-time link for",
    "user.password-chosen": "chose a password",
    "user.signed-in": "signed in",
    "user.signed-out": "signed out",
    "user.sign-in-refused": "refused to sign in",
    "question.removed": "removed the question",
    "unit.forgotten": "forgot a unit",
    "node.retired": "retired the node",
}
#: what the filter offers: the beginning of acts → in words
FILTERS: dict[str, str] = {
    "": "Everything",
    "experiment.": "Experiments",
    "key.": "Keys",
    "user.": "Users and sign-ins",
    "user.sign-in-refused": "Refused sign-ins",
    "unit.": "Forgotten units",
}
#: acts of a user that need no object
_OF_ONESELF = frozenset({"user.password-chosen", "user.signed-in", "user.signed-out"})
_LONGEST = 160
_KINDS = {"command-line": "command line", "platform": "by itself", "key": "key", "user": "user"}


@dataclass(frozen=True, kw_only=True)
class DifferenceLine:
    """One difference; an empty text means that there was or is nothing."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class AuditLine:
    """An entry as its row prints it."""

    number: int
    when: str
    who: str
    kind: str
    act: str
    subject: str
    difference: tuple[DifferenceLine, ...]


def audit_lines(entries: Sequence[AuditEntry], zone: str = "UTC") -> list[AuditLine]:
    """Entries in words, in their order."""
    return [
        AuditLine(
            number=entry.number,
            when=moment(entry.at, zone),
            who=entry.by.name,
            kind=_KINDS.get(entry.by.kind, entry.by.kind),
            act=ACTS.get(entry.what, entry.what),
            subject=_subject(entry),
            difference=tuple(_line(change) for change in entry.difference),
        )
        for entry in entries
    ]


def _subject(entry: AuditEntry) -> str:
    _, _, name = entry.subject.partition(":")
    if entry.what in _OF_ONESELF and name == entry.by.name:
        return ""
    if entry.what == "user.sign-in-refused" and name == "?":
        return "an unknown name"
    if entry.what == "user.link-made" and name == "?":
        return "the first administrator"
    return "" if name == "?" else name


def _line(change: Change) -> DifferenceLine:
    return DifferenceLine(
        path=change.path, before=_short(change.before), after=_short(change.after)
    )


def _short(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

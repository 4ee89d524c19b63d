"""Keys in words: what each opens, until when, and what ends with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bandit_platform.domain.access import Role
from bandit_platform.services.people.keys import ListedKey
from dashboards.text import duration, moment

#: what a key is for → in words, in the order to offer it
KINDS: dict[str, str] = {
    "publishable": "Publishable: decisions and events, from a shop's pages",
    Role.SERVER: "Server: decisions and events, from a shop's server",
    Role.VIEWER: "Viewer: experiments and reports",
    Role.ANALYST: "Analyst: single decisions too",
    Role.EXPERIMENTER: "Experimenter: changing experiments too",
    Role.ADMIN: "Administrator: everything",
}


@dataclass(frozen=True, kw_only=True)
class KeyLine:
    """A key as its row prints it."""

    key_id: str
    label: str
    kind: str
    experiments: str
    origins: str
    #: "valid", "ends …" or "ended …"
    state: str
    is_valid: bool
    last_used: str
    created: str
    #: what stops working when the key ends
    consequence: str


def key_lines(keys: Sequence[ListedKey], now: datetime) -> list[KeyLine]:
    """Every key, valid ones first, newest first among each."""
    ordered = sorted(keys, key=lambda each: each.key.created_at, reverse=True)
    ordered.sort(key=lambda each: not each.key.is_valid(now))
    return [key_line(each, now) for each in ordered]


def key_line(listed: ListedKey, now: datetime) -> KeyLine:
    """One key."""
    key = listed.key
    return KeyLine(
        key_id=key.key_id,
        label=key.label,
        kind=key.role.value if key.role else "publishable",
        experiments="all" if key.experiments is None else ", ".join(sorted(key.experiments)),
        origins=", ".join(sorted(key.origins)),
        state=_state(listed, now),
        is_valid=key.is_valid(now),
        last_used=_last_used(listed, now),
        created=moment(key.created_at, "UTC"),
        consequence=_consequence(listed, now),
    )


def _state(listed: ListedKey, now: datetime) -> str:
    ends = [at for at in (listed.key.expires_at, listed.key.revoked_at) if at is not None]
    if not ends:
        return "valid"
    return f"{'ends' if listed.key.is_valid(now) else 'ended'} {moment(min(ends), 'UTC')}"


def _last_used(listed: ListedKey, now: datetime) -> str:
    if listed.last_used_at is None:
        return "never"
    return f"{duration(now - listed.last_used_at)} ago"


def _consequence(listed: ListedKey, now: datetime) -> str:
    key = listed.key
    used = _last_used(listed, now)
    seen = "It was never used." if used == "never" else f"It was last used {used}."
    if key.publishable:
        pages = f"Pages of {', '.join(sorted(key.origins)) or 'no origin'}"
        what = f"{pages} that carry this key show no offers any more and report nothing."
    elif key.role is Role.SERVER:
        what = "Servers that ask with this key get no decisions any more and can report no events."
    else:
        what = f"Whoever asks with this key as {key.role} is refused."
    return f"{what} {seen}"

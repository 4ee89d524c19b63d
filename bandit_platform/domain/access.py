"""Keys and what they open.

A publishable key stands in pages that anybody can read, so it opens decisions and events only, from
declared origins, and what it reports does not count where an experiment wants proof. A secret key
belongs to a server or a person and has a role.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest

_TEXT = re.compile(r"(pk|sk)_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


class Role(StrEnum):
    """What a secret key may do."""

    #: ask for decisions and report events, nothing else
    SERVER = "server"
    #: see experiments and reports
    VIEWER = "viewer"
    #: see single decisions and evaluate too
    ANALYST = "analyst"
    #: change experiments too, ask and report
    EXPERIMENTER = "experimenter"
    #: everything
    ADMIN = "admin"


class Permission(StrEnum):
    """What a route asks for."""

    DECIDE = "decide"
    VIEW = "view"
    ANALYSE = "analyse"
    CHANGE = "change"
    ADMINISTER = "administer"


_OPENS: dict[Role | None, frozenset[Permission]] = {
    None: frozenset({Permission.DECIDE}),
    Role.SERVER: frozenset({Permission.DECIDE}),
    Role.VIEWER: frozenset({Permission.VIEW}),
    Role.ANALYST: frozenset({Permission.VIEW, Permission.ANALYSE}),
    Role.EXPERIMENTER: frozenset(set(Permission) - {Permission.ADMINISTER}),
    Role.ADMIN: frozenset(Permission),
}


def opens(role: Role | None, permission: Permission) -> bool:
    """Whether a role (None: a publishable key) allows something."""
    return permission in _OPENS[role]


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key as it is stored: everything but the secret itself."""

    #: 16 hexadecimal characters, part of the key's text
    key_id: str
    #: SHA-256 of the whole text; 256 random bits need no slow hash
    digest: str
    #: None for a publishable key
    role: Role | None
    #: experiments it opens; None for all
    experiments: frozenset[str] | None
    #: web origins that may use it from a page; empty for none
    origins: frozenset[str]
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @property
    def publishable(self) -> bool:
        """Whether it may stand in a page."""
        return self.role is None

    def is_valid(self, now: datetime) -> bool:
        """Whether it is neither expired nor revoked."""
        ends = [moment for moment in (self.expires_at, self.revoked_at) if moment is not None]
        return all(now < moment for moment in ends)

    def opens(self, permission: Permission, experiment: str | None = None) -> bool:
        """Whether it may do something, with an experiment where one is named."""
        if not opens(self.role, permission):
            return False
        return experiment is None or self.experiments is None or experiment in self.experiments

    def matches(self, text: str) -> bool:
        """Whether ``text`` is this key, compared in constant time."""
        return compare_digest(digest_of(text), self.digest)


def new_key_text(*, publishable: bool) -> str:
    """A fresh key: kind, public id and 256 random bits. Shown once, stored nowhere."""
    return f"{'pk' if publishable else 'sk'}_{secrets.token_hex(8)}_{secrets.token_urlsafe(32)}"


def key_id_of(text: str) -> str | None:
    """The public id inside a key's text; None if it has not the form of a key."""
    match = _TEXT.fullmatch(text)
    return match[2] if match else None


def digest_of(text: str) -> str:
    """What is stored of a key's text."""
    return sha256(text.encode()).hexdigest()

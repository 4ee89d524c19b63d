"""Who changes something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Actor:
    """A person, a key or a program, as it appears in the audit log."""

    kind: Literal["user", "key", "command-line", "platform"]
    #: a user's name, a key's id and label, an operating system's user
    name: str


PLATFORM = Actor(kind="platform", name="bandit-platform")

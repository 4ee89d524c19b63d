"""People who sign in to the console, and what their names and passwords may be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from bandit_platform.domain.access import Role
from bandit_platform.errors import InputError

#: every role a person can have; ``server`` is for programs
USER_ROLES = (Role.VIEWER, Role.ANALYST, Role.EXPERIMENTER, Role.ADMIN)
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 256

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class User:
    """Somebody who may sign in."""

    name: str
    role: Role
    #: whether a password has been chosen
    has_password: bool
    created_at: datetime
    disabled_at: datetime | None
    signed_in_at: datetime | None

    @property
    def is_active(self) -> bool:
        """Whether the user may sign in."""
        return self.disabled_at is None


def check_name(name: str) -> str:
    """A user's name as it is stored: in lower case.

    Raises:
        InputError: it is not made of letters, digits and ``. _ @ + -``.
    """
    lowered = name.strip().lower()
    if not _NAME.fullmatch(lowered):
        raise InputError(
            "a name has 1 to 64 letters a-z, digits or . _ @ + -, and begins with a letter or digit"
        )
    return lowered


def check_role(role: str) -> Role:
    """A role that a person can have.

    Raises:
        InputError: it is none.
    """
    if role not in USER_ROLES:
        raise InputError(f"a user's role is one of {', '.join(USER_ROLES)}")
    return Role(role)


def check_password(password: str, name: str) -> str:
    """A password that may be chosen.

    Raises:
        InputError: it is too short, too long, one character repeated, or the name.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise InputError(f"a password has at least {SHORTEST_PASSWORD} characters")
    if len(password) > LONGEST_PASSWORD:
        raise InputError(f"a password has at most {LONGEST_PASSWORD} characters")
    if len(set(password)) < 4 or password.lower().strip("0123456789") == name:
        raise InputError("this password is too easy to guess")
    return password

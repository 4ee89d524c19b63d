"""The people who may sign in: making them, changing their role, letting them in and out."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from bandit_platform.domain.access import Role
from bandit_platform.domain.actor import PLATFORM, Actor
from bandit_platform.domain.audit_entry import subject_of
from bandit_platform.domain.revision import Change
from bandit_platform.domain.user import User, check_name, check_role
from bandit_platform.errors import ConflictError, NotFoundError, StateError
from bandit_platform.storage.audit_log import note
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.links import drop_links, insert_link
from bandit_platform.storage.users import (
    all_users,
    count_users,
    end_sessions,
    get_user,
    insert_user,
    put_disabled,
    put_role,
)

LINK_LIFETIME = timedelta(hours=24)


class Purpose(StrEnum):
    """What a one-time link opens."""

    #: naming the first administrator, while there is no user
    FIRST = "first-administrator"
    #: choosing a password, which signs in
    PASSWORD = "password"  # noqa: S105 - a purpose, not a password
    #: signing in at once; made for demonstrations only
    SIGN_IN = "sign-in"


@dataclass(frozen=True, kw_only=True)
class Link:
    """A one-time link; its token is stored nowhere."""

    token: str
    #: the user it is for; None where a first administrator is still to be named
    name: str | None
    expires_at: datetime

    @property
    def path(self) -> str:
        """Where it leads on the console."""
        return f"/link/{self.token}"


class Users:
    """The users of a deployment."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def create(self, name: str, role: str, by: Actor = PLATFORM) -> Link:
        """Make a user, and a link with which the person chooses a password.

        Raises:
            InputError: the name or the role cannot be used.
            ConflictError: the name is taken.
        """
        name, wanted = check_name(name), check_role(role)
        with self._database.write() as connection:
            if not insert_user(connection, name, wanted, self._clock()):
                raise ConflictError(f"there is a user {name} already")
            self._note(connection, by, "user.created", name, _role(None, wanted))
            return self._issue(connection, Purpose.PASSWORD, name, by)

    def all(self) -> list[User]:
        """Every user, by name."""
        with self._database.read() as connection:
            return all_users(connection)

    def set_role(self, name: str, role: str, by: Actor = PLATFORM) -> User:
        """Give a user another role; ends the user's sessions.

        Raises:
            InputError: there is no such role.
            NotFoundError: there is no such user.
            StateError: nobody would be left who can administer.
        """
        wanted = check_role(role)
        with self._database.write() as connection:
            user = _demand(connection, name)
            if user.role is not wanted:
                if wanted is not Role.ADMIN:
                    _demand_other_admin(connection, user)
                put_role(connection, user.name, wanted)
                end_sessions(connection, user.name)
                self._note(connection, by, "user.changed", user.name, _role(user.role, wanted))
            return _demand(connection, name)

    def disable(self, name: str, by: Actor = PLATFORM) -> User:
        """Let a user no longer sign in; ends the user's sessions and links.

        Raises:
            NotFoundError: there is no such user.
            StateError: nobody would be left who can administer.
        """
        with self._database.write() as connection:
            user = _demand(connection, name)
            if user.is_active:
                _demand_other_admin(connection, user)
                put_disabled(connection, user.name, self._clock())
                end_sessions(connection, user.name)
                drop_links(connection, user.name)
                self._note(connection, by, "user.disabled", user.name)
            return _demand(connection, name)

    def enable(self, name: str, by: Actor = PLATFORM) -> User:
        """Let a disabled user sign in again.

        Raises:
            NotFoundError: there is no such user.
        """
        with self._database.write() as connection:
            user = _demand(connection, name)
            if not user.is_active:
                put_disabled(connection, user.name, None)
                self._note(connection, by, "user.enabled", user.name)
            return _demand(connection, name)

    def link(self, name: str, by: Actor = PLATFORM, purpose: Purpose = Purpose.PASSWORD) -> Link:
        """A one-time link for a user; earlier ones open nothing any more.

        Raises:
            NotFoundError: there is no such user.
            StateError: the user is disabled.
        """
        with self._database.write() as connection:
            user = _demand(connection, name)
            if not user.is_active:
                raise StateError(f"{user.name} is disabled; enable the user first")
            return self._issue(connection, purpose, user.name, by)

    def first_link(self) -> Link | None:
        """A link for naming the first administrator; None as soon as there is a user."""
        with self._database.write() as connection:
            if count_users(connection):
                return None
            return self._issue(connection, Purpose.FIRST, None, PLATFORM)

    def is_empty(self) -> bool:
        """Whether there is no user yet."""
        with self._database.read() as connection:
            return count_users(connection) == 0

    def _issue(self, connection: Connection, purpose: Purpose, name: str | None, by: Actor) -> Link:
        token, now = secrets.token_urlsafe(32), self._clock()
        ends = now + LINK_LIFETIME
        insert_link(connection, digest_of_token(token), purpose, name, now=now, expires_at=ends)
        opens = Change(path="opens", before=None, after=purpose)
        self._note(connection, by, "user.link-made", name or "?", opens)
        return Link(token=token, name=name, expires_at=ends)

    def _note(
        self, connection: Connection, by: Actor, what: str, name: str, *difference: Change
    ) -> None:
        subject = subject_of("user", name)
        note(connection, self._clock(), by, what, subject, difference=difference)


def digest_of_token(token: str) -> str:
    """What is stored of a token; 256 random bits need no slow hash."""
    return sha256(token.encode(errors="replace")).hexdigest()


def _role(before: Role | None, after: Role) -> Change:
    return Change(path="role", before=before, after=after)


def _demand(connection: Connection, name: str) -> User:
    user = get_user(connection, name.strip().lower())
    if user is None:
        raise NotFoundError("there is no user of this name")
    return user


def _demand_other_admin(connection: Connection, user: User) -> None:
    if user.role is not Role.ADMIN or not user.is_active:
        return
    others = [
        each
        for each in all_users(connection)
        if each.role is Role.ADMIN and each.is_active and each.name != user.name
    ]
    if not others:
        raise StateError(f"{user.name} is the only administrator; name another one first")

"""Signing in and out: by password or one-time link, as sessions that the database knows.

A session is a random token; the database keeps its digest and ends it by deleting the row, so that
nothing in a browser can outlive a sign-out, a change of role or password, or a disabled user.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bandit_platform.domain.access import Role
from bandit_platform.domain.actor import PLATFORM, Actor
from bandit_platform.domain.audit_entry import subject_of
from bandit_platform.domain.revision import Change
from bandit_platform.domain.user import User, check_name, check_password
from bandit_platform.errors import ConflictError, InputError, NotFoundError
from bandit_platform.services.people.passwords import hash_password, is_outdated, is_password
from bandit_platform.services.people.users import Purpose, digest_of_token
from bandit_platform.storage.audit_log import note
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.links import open_link, use_link
from bandit_platform.storage.users import (
    count_users,
    end_session,
    end_sessions,
    end_sessions_seen_before,
    get_user,
    insert_session,
    insert_user,
    password_of,
    put_password,
    session_user,
    touch_session,
)

IDLE = timedelta(hours=12)
LONGEST = timedelta(days=7)
#: looks at pages are not worth a write each
_TOUCH_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class OpenLink:
    """A one-time link that still opens something."""

    purpose: Purpose
    name: str | None


class SignIn:
    """Who is signed in."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def with_password(self, name: str, password: str, address: str) -> str | None:
        """A new session's token; None if name and password do not belong together.

        An unknown name, a disabled user and a wrong password take the same time.

        Args:
            name: as typed.
            password: as typed.
            address: where the request came from, for the audit log.
        """
        name = name.strip().lower()
        with self._database.read() as connection:
            user = get_user(connection, name)
            hashed = password_of(connection, name) if user and user.is_active else None
        right = is_password(password, hashed)
        renewed = hash_password(password) if right and is_outdated(str(hashed)) else None
        told = [Change(path="address", before=None, after=address)]
        with self._database.write() as connection:
            # what was typed as a name may be a password
            subject = subject_of("user", name if user else "?")
            if not right or password_of(connection, name) != hashed:
                note(
                    connection,
                    self._clock(),
                    PLATFORM,
                    "user.sign-in-refused",
                    subject,
                    difference=told,
                )
                return None
            if renewed is not None:
                put_password(connection, name, renewed)
            note(
                connection, self._clock(), _person(name), "user.signed-in", subject, difference=told
            )
            return self._begin(connection, name)

    def look(self, token: str) -> OpenLink | None:
        """What a one-time link opens; None if it is unknown, used or too old."""
        with self._database.read() as connection:
            return self._opened(connection, token)

    def by_link(self, token: str, address: str) -> str | None:
        """A new session's token, for a link that signs in; None if it does not any more."""
        with self._database.write() as connection:
            link = self._opened(connection, token)
            if link is None or link.purpose is not Purpose.SIGN_IN or link.name is None:
                return None
            if not use_link(connection, digest_of_token(token), self._clock()):
                return None
            told = [
                Change(path="address", before=None, after=address),
                Change(path="by", before=None, after="one-time link"),
            ]
            subject = subject_of("user", link.name)
            note(
                connection,
                self._clock(),
                _person(link.name),
                "user.signed-in",
                subject,
                difference=told,
            )
            return self._begin(connection, link.name)

    def choose_password(self, token: str, password: str, name: str = "") -> str:
        """Use a link to choose a password, and to name the first administrator.

        Returns:
            A new session's token; the user's other sessions have ended.

        Raises:
            InputError: name or password cannot be used; the link still opens.
            NotFoundError: the link opens nothing any more.
        """
        link = self.look(token)
        if link is None or link.purpose is Purpose.SIGN_IN:
            raise NotFoundError("this link opens nothing any more")
        user = link.name or check_name(name)
        hashed = hash_password(check_password(password, user))
        with self._database.write() as connection:
            again = self._opened(connection, token)
            if again is None or not use_link(connection, digest_of_token(token), self._clock()):
                raise NotFoundError("this link opens nothing any more")
            if link.purpose is Purpose.FIRST:
                self._name_first(connection, user)
            return self._put_password(connection, user, hashed)

    def change_password(self, name: str, old: str, new: str) -> str:
        """Change one's own password.

        Returns:
            A new session's token; the user's other sessions have ended.

        Raises:
            InputError: the new password cannot be used.
            ConflictError: the old password is not the user's.
        """
        with self._database.read() as connection:
            hashed = password_of(connection, name)
        if not is_password(old, hashed):
            raise ConflictError("this is not your present password")
        fresh = hash_password(check_password(new, name))
        with self._database.write() as connection:
            return self._put_password(connection, name, fresh)

    def user_of(self, session: str) -> User | None:
        """The user whose session a token is; remembers that it was used."""
        now, digest = self._clock(), digest_of_token(session)
        with self._database.read() as connection:
            found = session_user(connection, digest, started=now - LONGEST, seen=now - IDLE)
        if found is None:
            return None
        user, seen = found
        if now - seen >= _TOUCH_EVERY:
            with self._database.write() as connection:
                touch_session(connection, digest, now)
        return user

    def leave(self, session: str) -> None:
        """End a session."""
        digest, now = digest_of_token(session), self._clock()
        with self._database.write() as connection:
            found = session_user(connection, digest, started=now - LONGEST, seen=now - IDLE)
            end_session(connection, digest)
            if found is not None:
                name = found[0].name
                note(connection, now, _person(name), "user.signed-out", subject_of("user", name))

    def _opened(self, connection: Connection, token: str) -> OpenLink | None:
        found = open_link(connection, digest_of_token(token), self._clock())
        if found is None:
            return None
        purpose, name = Purpose(found[0]), found[1]
        if name is None:
            return None if count_users(connection) else OpenLink(purpose=purpose, name=None)
        user = get_user(connection, name)
        return OpenLink(purpose=purpose, name=name) if user and user.is_active else None

    def _name_first(self, connection: Connection, name: str) -> None:
        if not insert_user(connection, name, Role.ADMIN, self._clock()):
            raise InputError("this name is taken")
        told = [Change(path="role", before=None, after=Role.ADMIN)]
        subject = subject_of("user", name)
        note(connection, self._clock(), _person(name), "user.created", subject, difference=told)

    def _put_password(self, connection: Connection, name: str, hashed: str) -> str:
        put_password(connection, name, hashed)
        end_sessions(connection, name)
        subject = subject_of("user", name)
        note(connection, self._clock(), _person(name), "user.password-chosen", subject)
        return self._begin(connection, name)

    def _begin(self, connection: Connection, name: str) -> str:
        now, session = self._clock(), secrets.token_urlsafe(32)
        end_sessions_seen_before(connection, now - IDLE)
        insert_session(connection, digest_of_token(session), name, now)
        return session


def _person(name: str) -> Actor:
    return Actor(kind="user", name=name)

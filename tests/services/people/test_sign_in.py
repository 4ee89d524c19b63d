"""Users, links and sessions over the database, on both of them."""

from __future__ import annotations

from typing import Any

import pytest

from bandit_platform.domain.access import Role
from bandit_platform.errors import ConflictError, NotFoundError, StateError
from bandit_platform.services.people import passwords
from bandit_platform.services.people.sign_in import SignIn
from bandit_platform.services.people.users import Purpose, Users
from bandit_platform.storage.audit_log import entries
from bandit_platform.storage.database import Database

PASSWORD = "a quiet harbour at dawn"  # noqa: S105 - of a user who exists in these tests only


def test_a_user_s_whole_life(database: Database, clock: Any) -> None:
    users, sign_in = Users(database, clock), SignIn(database, clock)
    assert users.is_empty()
    first = users.first_link()
    assert first is not None
    session = sign_in.choose_password(first.token, PASSWORD, "Anna")
    with pytest.raises(NotFoundError):
        sign_in.choose_password(first.token, PASSWORD, "ben")
    user = sign_in.user_of(session)
    assert user is not None
    assert (user.name, user.role) == ("anna", Role.ADMIN)
    assert users.first_link() is None
    with pytest.raises(ConflictError):
        users.create("ANNA", "viewer")
    with pytest.raises(StateError):
        users.disable("anna")
    again = sign_in.with_password(" Anna ", PASSWORD, "192.0.2.1")
    assert again not in {None, session}
    assert sign_in.user_of(session) is not None  # two browsers at once
    sign_in.leave(session)
    assert sign_in.user_of(session) is None
    assert sign_in.user_of(str(again)) is not None
    assert sign_in.user_of("") is None
    assert sign_in.user_of("\ud800") is None


def test_no_secret_is_in_the_database_or_its_log(database: Database, clock: Any) -> None:
    users, sign_in = Users(database, clock), SignIn(database, clock)
    link = users.create("anna", "admin")
    session = sign_in.choose_password(link.token, PASSWORD)
    sign_in.with_password(PASSWORD, PASSWORD, "192.0.2.1")  # typed into the wrong field
    with database.read() as connection:
        tables = [
            str(connection.exec_driver_sql(f"SELECT * FROM {name}").fetchall())  # noqa: S608
            for name in ("console_user", "console_session", "one_time_link", "audit_log")
        ]
        told = [(entry.what, entry.subject) for entry in entries(connection)]
    for secret in (PASSWORD, link.token, session):
        assert not [text for text in tables if secret in text]
    assert "$argon2id$" in tables[0]
    assert told[0] == ("user.sign-in-refused", "user:?")


def test_whoever_cannot_sign_in_costs_as_much_as_whoever_can(
    sqlite_database: Database, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    users, sign_in = Users(sqlite_database, clock), SignIn(sqlite_database, clock)
    sign_in.choose_password(users.create("anna", "admin").token, PASSWORD)
    sign_in.choose_password(users.create("gone", "viewer").token, PASSWORD)
    users.disable("gone")
    users.create("new", "viewer")
    verified: list[str] = []
    right = passwords._HASHER.verify

    class Counting:
        def verify(self, hashed: str, password: str) -> bool:
            verified.append(hashed)
            return right(hashed, password)

        def __getattr__(self, name: str) -> Any:
            return getattr(hasher, name)

    hasher = passwords._HASHER
    monkeypatch.setattr(passwords, "_HASHER", Counting())
    for name in ("anna", "nobody", "gone", "new", ""):
        assert sign_in.with_password(name, "wrong", "192.0.2.1") is None
    assert len(verified) == 5  # one argon2 hash each
    assert len({hashed.rsplit("$", 2)[0] for hashed in verified}) == 1  # of the same cost


def test_a_link_for_signing_in_cannot_choose_a_password(
    sqlite_database: Database, clock: Any
) -> None:
    users, sign_in = Users(sqlite_database, clock), SignIn(sqlite_database, clock)
    users.create("anna", "admin")
    link = users.link("anna", purpose=Purpose.SIGN_IN)
    with pytest.raises(NotFoundError):
        sign_in.choose_password(link.token, PASSWORD)
    other = users.link("anna")
    assert sign_in.by_link(other.token, "192.0.2.1") is None
    assert sign_in.look(other.token) is not None


def test_a_password_is_the_same_however_its_letters_are_composed() -> None:
    hashed = passwords.hash_password("caf\u00e9 au lait, bien sûr")
    assert passwords.is_password("cafe\u0301 au lait, bien sûr", hashed)
    assert not passwords.is_password("cafe au lait, bien sûr", hashed)

from __future__ import annotations

import pytest

from bandit_platform.domain.access import Role
from bandit_platform.domain.user import check_name, check_password, check_role
from bandit_platform.errors import InputError


@pytest.mark.parametrize("name", ["anna", "a", "anna.b+c@shop.example", "9lives", "x" * 64])
def test_a_name_may_be_a_word_or_an_address(name: str) -> None:
    assert check_name(f" {name.upper()} ") == name


@pytest.mark.parametrize(
    "name", ["", " ", "a b", ".a", "x" * 65, "ünal", "a/b", "a\nb", "<b>", "a\0", "?"]
)
def test_a_name_is_nothing_that_could_be_taken_for_something_else(name: str) -> None:
    with pytest.raises(InputError, match="a name has"):
        check_name(name)


def test_people_have_every_role_but_the_server_s() -> None:
    assert check_role("analyst") is Role.ANALYST
    for role in ("server", "root", ""):
        with pytest.raises(InputError, match="viewer, analyst, experimenter, admin"):
            check_role(role)


@pytest.mark.parametrize(
    "password", ["correct horse b", "пароль длинный", "x1y2z3x1y2z3", "ab c" * 60]
)
def test_a_long_password_is_enough(password: str) -> None:
    assert check_password(password, "anna") == password


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("x1y2z3x1y2z", "at least 12"),
        ("abc" * 86, "at most 256"),
        ("abababababab", "easy to guess"),
        ("Annabella.Smith2026", "easy to guess"),
    ],
)
def test_short_endless_and_obvious_passwords_are_refused(password: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        check_password(password, "annabella.smith")

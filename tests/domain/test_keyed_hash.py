from __future__ import annotations

import pytest

from bandit_platform.domain.keyed_hash import PreparedHash, fraction, keyed_hash


def test_the_hash_never_changes_or_every_unit_would_move() -> None:
    assert keyed_hash(b"k" * 32, b"purpose", "experiment", "unit").hex() == "8047adecfc45d0f3"


@pytest.mark.parametrize("parts", [("unit",), ("experiment", "unit"), ("a", "", "b\x1fc"), ("",)])
def test_a_prepared_hash_is_the_same_each_time(parts: tuple[str, ...]) -> None:
    secret = b"a secret of tests, longer than 32"
    prepared = PreparedHash(secret, b"p", *parts[:-1], size=16)
    expected = keyed_hash(secret, b"p", *parts, size=16)
    assert [prepared.of(parts[-1]) for _ in range(2)] == [expected, expected]


@pytest.mark.parametrize(
    "other",
    [
        keyed_hash(b"other secret of at least 32 bytes", b"p", "a", "b"),
        keyed_hash(b"a secret of tests, longer than 32", b"q", "a", "b"),
        keyed_hash(b"a secret of tests, longer than 32", b"p", "b", "a"),
        keyed_hash(b"a secret of tests, longer than 32", b"p", "ab"),
        keyed_hash(b"a secret of tests, longer than 32", b"p", "a", "b", ""),
        keyed_hash(b"a secret of tests, longer than 32", b"p", "", "ab"),
        keyed_hash(b"a secret of tests, longer than 32", b"p", "a\x1fb"),
    ],
)
def test_secret_purpose_and_the_split_into_parts_all_matter(other: bytes) -> None:
    assert keyed_hash(b"a secret of tests, longer than 32", b"p", "a", "b") != other


def test_a_fraction_lies_in_zero_to_one_without_one() -> None:
    assert fraction(bytes(8)) == 0.0
    assert fraction(b"\x80" + bytes(7)) == 0.5
    assert fraction(b"\xff" * 8) == 1 - 2**-53

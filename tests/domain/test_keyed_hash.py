from __future__ import annotations

import pytest

from bandit_platform.domain.keyed_hash import fraction, keyed_hash


def test_the_hash_never_changes_or_every_unit_would_move() -> None:
    assert keyed_hash(b"k" * 32, b"purpose", "experiment", "unit").hex() == "8047adecfc45d0f3"


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

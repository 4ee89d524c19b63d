"""Passwords as argon2 hashes; whoever has none costs as much time as whoever has one."""

from __future__ import annotations

import secrets
from functools import cache
from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher()


def hash_password(password: str) -> str:
    """What is stored of a password."""
    return _HASHER.hash(_same(password))


def is_password(password: str, hashed: str | None) -> bool:
    """Whether a password is the one of a hash; without a hash it never is, after as long."""
    try:
        _HASHER.verify(hashed or _nobodys(), _same(password))
    except (VerificationError, InvalidHashError):
        return False
    return hashed is not None


def is_outdated(hashed: str) -> bool:
    """Whether a hash was made with weaker parameters than today's."""
    return _HASHER.check_needs_rehash(hashed)


@cache
def _nobodys() -> str:
    return _HASHER.hash(secrets.token_hex(16))


def _same(password: str) -> str:
    """Keyboards write the same letter in different ways."""
    return normalize("NFKC", password)

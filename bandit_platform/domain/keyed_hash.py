"""Everything that must look random but be reproducible: keyed hashes of names.

Each use has a *purpose* of its own, so that the holdout of one experiment says nothing about the
draw or the holdout of another.
"""

from __future__ import annotations

from hashlib import blake2b
from hmac import compare_digest

_SEPARATOR = b"\x1f"


def keyed_hash(secret: bytes, purpose: bytes, *parts: str, size: int = 8) -> bytes:
    """``size`` bytes (1 to 64) that only the holder of ``secret`` can compute.

    ``purpose`` has at most 16 bytes.
    """
    digest = blake2b(digest_size=size, key=secret[:64], person=purpose)
    for part in parts:
        _add(digest, part)
    return digest.digest()


class PreparedHash:
    """What :func:`keyed_hash` gives where only the last part changes; takes half the time."""

    def __init__(self, secret: bytes, purpose: bytes, *first: str, size: int = 8) -> None:
        self._begun = blake2b(digest_size=size, key=secret[:64], person=purpose)
        for part in first:
            _add(self._begun, part)

    def of(self, last: str) -> bytes:
        """The hash of the first parts and this one."""
        digest = self._begun.copy()
        _add(digest, last)
        return digest.digest()


def _add(digest: blake2b, part: str) -> None:
    encoded = part.encode()
    digest.update(len(encoded).to_bytes(4, "big") + encoded + _SEPARATOR)


def fraction(digest: bytes) -> float:
    """The first eight bytes as a number in [0, 1), with 53 bits."""
    return (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)


def equal(left: str, right: str) -> bool:
    """Comparison in constant time."""
    return compare_digest(left.encode(), right.encode())

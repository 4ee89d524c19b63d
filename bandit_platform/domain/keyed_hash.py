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
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4, "big"))
        digest.update(encoded)
        digest.update(_SEPARATOR)
    return digest.digest()


def fraction(digest: bytes) -> float:
    """The first eight bytes as a number in [0, 1), with 53 bits."""
    return (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)


def equal(left: str, right: str) -> bool:
    """Comparison in constant time."""
    return compare_digest(left.encode(), right.encode())

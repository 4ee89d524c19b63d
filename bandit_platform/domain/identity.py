"""Decision ids that cannot be forged, and unit ids that cannot be read back.

A decision id is 16 bytes of identity and 8 bytes of proof, in hexadecimal. Without a request key
the identity starts with the time in milliseconds, so that rows written together lie together.
With one it starts with a byte that no time has and is a keyed hash, so that a retry gives the same
decision: of experiment and request key for trusted callers, and of experiment, unit and request key
for pages. So a page cannot take the order number that a server is going to use, and a link to an
order opened on a second device is a new shopper's. The last 3 bytes of the identity stand for the
experiment, so that a key restricted to others can be refused without asking a database.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from functools import lru_cache

from bandit_platform.domain.keyed_hash import PreparedHash, equal, fraction, keyed_hash
from bandit_platform.domain.randomness import random_bytes

_IDENTITY_LENGTH = 32
_TAG_LENGTH = 6
_LENGTH = 48
#: Where a time would stand; as one it would lie beyond the year 9999.
_BY_REQUEST = b"\xff"
_MILLISECONDS_DIGITS = 12


def new_decision_id(secret: bytes, experiment: str, now: datetime) -> str:
    """A fresh id: 48 hexadecimal characters."""
    return DecisionHashes(secret, experiment).new_decision_id(now)


class DecisionHashes:
    """The keyed hashes that each decision of an experiment needs, prepared because they are many.

    They are those of the functions of the same purpose, here and in ``assignment``.
    """

    def __init__(self, secret: bytes, experiment: str) -> None:
        self._unit = PreparedHash(secret, b"unit", size=16)
        self._holdout = PreparedHash(secret, b"holdout", experiment)
        self._draw = PreparedHash(secret, b"draw", experiment)
        self._proof = PreparedHash(secret, b"decision-proof")
        self._tag = _tag(secret, experiment)

    def pseudonym(self, unit_id: str) -> str:
        """As :func:`pseudonym`."""
        return self._unit.of(unit_id).hex()

    def new_decision_id(self, now: datetime) -> str:
        """As :func:`new_decision_id`."""
        milliseconds = int(now.timestamp() * 1000)
        identity = (milliseconds.to_bytes(6, "big") + random_bytes()[:7]).hex() + self._tag
        return identity + self._proof.of(identity).hex()

    def in_holdout(self, unit: str, share: float) -> bool:
        """As ``in_holdout``."""
        return fraction(self._holdout.of(unit)) < share

    def draw_seed(self, decision_id: str) -> str:
        """As ``draw_seed``."""
        return self._draw.of(decision_id).hex()


def request_hash(secret: bytes, experiment: str, request_key: str) -> str:
    """The name under which a request key is stored: 32 hexadecimal characters."""
    return keyed_hash(secret, b"request-key", experiment, request_key, size=16).hex()


def decision_id_for(secret: bytes, experiment: str, request: str, unit: str | None = None) -> str:
    """The decision id for a request key in an experiment; always the same one.

    Args:
        secret: of the deployment.
        experiment: key.
        request: hash of the request key.
        unit: pseudonym of the unit where a page asks; None for a trusted caller.
    """
    identity = (
        keyed_hash(secret, b"request", experiment, request, size=12)
        if unit is None
        else keyed_hash(secret, b"page-request", experiment, unit, request, size=12)
    )
    return _proven(secret, (_BY_REQUEST + identity).hex() + _tag(secret, experiment))


def issued_at(decision_id: str) -> datetime | None:
    """When a genuine id was made; None where it follows from a request key and does not say."""
    if decision_id.startswith(_BY_REQUEST.hex()):
        return None
    milliseconds = int(decision_id[:_MILLISECONDS_DIGITS], 16)
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):  # by a request key, of a version before the byte
        return None


def is_genuine(secret: bytes, decision_id: str) -> bool:
    """Whether this deployment issued the id, told without asking the database."""
    if len(decision_id) != _LENGTH or not decision_id.isascii():
        return False
    return equal(_proven(secret, decision_id[:_IDENTITY_LENGTH]), decision_id)


def belongs_to(secret: bytes, decision_id: str, experiments: Collection[str]) -> bool:
    """Whether a genuine id was issued for one of the experiments (once in 16 million wrongly)."""
    tag = decision_id[_IDENTITY_LENGTH - _TAG_LENGTH : _IDENTITY_LENGTH]
    return any(equal(tag, _tag(secret, experiment)) for experiment in experiments)


def pseudonym(secret: bytes, unit_id: str) -> str:
    """The name under which a unit is stored: 32 hexadecimal characters."""
    return keyed_hash(secret, b"unit", unit_id, size=16).hex()


def session_pseudonym(secret: bytes, session_id: str) -> str:
    """The name under which a session is stored: 32 hexadecimal characters."""
    return keyed_hash(secret, b"session", session_id, size=16).hex()


def page_pseudonym(secret: bytes, page_id: str) -> str:
    """The name under which a page view is stored: 32 hexadecimal characters."""
    return keyed_hash(secret, b"page", page_id, size=16).hex()


@lru_cache(maxsize=4096)
def address_pseudonym(secret: bytes, address: str) -> str:
    """The name under which a network address is stored: 16 hexadecimal characters."""
    return keyed_hash(secret, b"address", address).hex()


@lru_cache(maxsize=4096)
def _tag(secret: bytes, experiment: str) -> str:
    return keyed_hash(secret, b"experiment", experiment, size=_TAG_LENGTH // 2).hex()


def _proven(secret: bytes, identity: str) -> str:
    return identity + keyed_hash(secret, b"decision-proof", identity).hex()

"""Decision ids that cannot be forged, and unit ids that cannot be read back.

A decision id is 16 bytes of identity and 8 bytes of proof, in hexadecimal. Without a request key
the identity starts with the time in milliseconds, so that rows written together lie together;
with one it is a keyed hash of experiment and key, so that a retry gives the same decision.
"""

from __future__ import annotations

from datetime import datetime

from bandit_platform.domain.keyed_hash import equal, keyed_hash
from bandit_platform.domain.randomness import random_bytes

_IDENTITY_LENGTH = 32
_LENGTH = 48


def new_decision_id(secret: bytes, now: datetime) -> str:
    """A fresh id: 48 hexadecimal characters."""
    milliseconds = int(now.timestamp() * 1000)
    identity = milliseconds.to_bytes(6, "big") + random_bytes()[:10]
    return _proven(secret, identity.hex())


def decision_id_for(secret: bytes, experiment: str, request_key: str) -> str:
    """The id that a request key always leads to in an experiment."""
    return _proven(secret, keyed_hash(secret, b"request", experiment, request_key, size=16).hex())


def is_genuine(secret: bytes, decision_id: str) -> bool:
    """Whether this deployment issued the id, told without asking the database."""
    if len(decision_id) != _LENGTH or not decision_id.isascii():
        return False
    return equal(_proven(secret, decision_id[:_IDENTITY_LENGTH]), decision_id)


def pseudonym(secret: bytes, unit_id: str) -> str:
    """The name under which a unit is stored: 32 hexadecimal characters."""
    return keyed_hash(secret, b"unit", unit_id, size=16).hex()


def _proven(secret: bytes, identity: str) -> str:
    return identity + keyed_hash(secret, b"decision-proof", identity).hex()

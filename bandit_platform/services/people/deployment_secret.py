"""Checks that the secret of this process is the one that the stored data were made with.

With a different secret, repeated request keys would be decided anew, events for earlier decisions
would be refused, and ``forget`` would find no unit. So the database keeps a fingerprint of the
secret, and a process with a different one refuses to start.
"""

from __future__ import annotations

from bandit_platform.domain.identity import is_genuine
from bandit_platform.domain.keyed_hash import keyed_hash
from bandit_platform.errors import SecretError
from bandit_platform.storage.database import Database
from bandit_platform.storage.secret_fingerprint import (
    newest_decision_ids,
    put_secret_fingerprint,
    secret_fingerprint,
)

#: decisions of which one has to be of the secret, where the database has no fingerprint yet
_LOOKED_AT = 5
_SHOWN = 8


def demand_secret(database: Database, secret: bytes, *, adopt: bool) -> None:
    """Refuse a database that was created with a different secret.

    Args:
        database: of the deployment.
        secret: of this process.
        adopt: whether a database that belongs to no secret yet shall belong to this one.

    Raises:
        SecretError: it belongs to another secret, or its decisions were made with another one.
        StorageError: the database did not answer.
    """
    ours = keyed_hash(secret, b"fingerprint", size=16).hex()
    with database.read() as connection:
        stored = secret_fingerprint(connection)
        newest = newest_decision_ids(connection, _LOOKED_AT) if stored is None else []
    if newest and not any(is_genuine(secret, each) for each in newest):
        raise SecretError(f"stored decisions were made with a different secret; {_ADVICE}")
    if stored is None and adopt:
        with database.write() as connection:
            stored = put_secret_fingerprint(connection, ours)
    if stored not in {None, ours}:
        raise SecretError(
            "the database was created with a different secret "
            f"(fingerprint {str(stored)[:_SHOWN]}, this process has {ours[:_SHOWN]}); {_ADVICE}"
        )


_ADVICE = (
    "nothing was changed. Restore the original secret, as BANDIT_PLATFORM_SECRET or as the file "
    "`secret` in the data folder, or use another database"
)

"""Whether the secret of this process is the one that the stored data were made with.

With another one orders draw anew, events of decisions made before are refused, and nobody is found
to be forgotten. So the database keeps a fingerprint of the secret, and a process with another one
refuses to start.
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
    """See that the database belongs to the secret.

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
        raise SecretError(f"the newest stored decisions were made with another secret; {_ADVICE}")
    if stored is None and adopt:
        with database.write() as connection:
            stored = put_secret_fingerprint(connection, ours)
    if stored not in {None, ours}:
        raise SecretError(
            f"the database belongs to another secret (fingerprint {str(stored)[:_SHOWN]}, "
            f"this process has {ours[:_SHOWN]}); {_ADVICE}"
        )


_ADVICE = (
    "nothing was changed. Give the secret that the data were made with, as BANDIT_PLATFORM_SECRET "
    "or as the file `secret` in the data folder, or name another database"
)

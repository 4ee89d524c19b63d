"""Keys, as hashes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from bandit_platform.domain.access import Key, Role
from bandit_platform.storage.statements import from_micros, table, to_micros
from bandit_platform.storage.tables import KeyRow

_KEY = table(KeyRow)


def insert_key(connection: Connection, key: Key) -> None:
    """Store a new key."""
    connection.execute(
        insert(_KEY).values(
            key_id=key.key_id,
            digest=key.digest,
            role=key.role,
            experiments=None if key.experiments is None else json.dumps(sorted(key.experiments)),
            origins=json.dumps(sorted(key.origins)),
            label=key.label,
            created_at=to_micros(key.created_at),
            expires_at=_micros(key.expires_at),
            revoked_at=_micros(key.revoked_at),
        )
    )


def all_keys(connection: Connection) -> dict[str, Key]:
    """Every key by its id."""
    rows = connection.execute(select(_KEY).order_by(_KEY.c.created_at))
    return {row.key_id: _key(row) for row in rows}


def key_labels(connection: Connection) -> dict[str, str]:
    """Id of every key → its label."""
    rows = connection.execute(select(_KEY.c.key_id, _KEY.c.label))
    return {row.key_id: row.label for row in rows}


def revoke(connection: Connection, key_id: str, moment: datetime) -> bool:
    """Let a key end at a moment, if it does not end before; False if there is none."""
    ends = to_micros(moment)
    changed = connection.execute(
        update(_KEY)
        .where(_KEY.c.key_id == key_id, (_KEY.c.revoked_at.is_(None)) | (_KEY.c.revoked_at > ends))
        .values(revoked_at=ends)
    )
    return changed.rowcount == 1


def last_uses(connection: Connection) -> dict[str, datetime]:
    """When keys were last seen, for those that were."""
    rows = connection.execute(
        select(_KEY.c.key_id, _KEY.c.last_used_at).where(_KEY.c.last_used_at.is_not(None))
    )
    return {row.key_id: from_micros(row.last_used_at) for row in rows}


def put_last_uses(connection: Connection, uses: Mapping[str, datetime]) -> None:
    """Store when keys were last seen."""
    for key_id, moment in uses.items():
        connection.execute(
            update(_KEY).where(_KEY.c.key_id == key_id).values(last_used_at=to_micros(moment))
        )


def _key(row: Row[Any]) -> Key:
    return Key(
        key_id=row.key_id,
        digest=row.digest,
        role=None if row.role is None else Role(row.role),
        experiments=None if row.experiments is None else frozenset(json.loads(row.experiments)),
        origins=frozenset(json.loads(row.origins)),
        label=row.label,
        created_at=from_micros(row.created_at),
        expires_at=_moment(row.expires_at),
        revoked_at=_moment(row.revoked_at),
    )


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)

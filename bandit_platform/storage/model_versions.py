"""Published model versions as a list: everything but their bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from bandit_platform.storage.learning_tables import ModelUseRow, ModelVersionRow
from bandit_platform.storage.statements import from_micros, table

_VERSION = table(ModelVersionRow)
_USE = table(ModelUseRow)


@dataclass(frozen=True, kw_only=True)
class ListedVersion:
    """A version without its bytes.

    Attributes:
        version: number.
        model_hash: what identifies the model.
        arguments: Vowpal Wabbit's.
        blob_hash: of its bytes.
        size: how many bytes.
        interactions: learned from.
        published_at: when.
        used: whether a stored decision refers to it.
    """

    version: int
    model_hash: str
    arguments: str
    blob_hash: str
    size: int
    interactions: int
    published_at: datetime
    used: bool


def listed_versions(
    connection: Connection,
    experiment: str,
    *,
    most: int,
    before: int | None = None,
    only: tuple[int, ...] = (),
) -> list[ListedVersion]:
    """Versions, the newest first.

    Args:
        connection: to the database.
        experiment: key.
        most: how many at most.
        before: only smaller numbers, to go on after a page.
        only: only these numbers; empty for all.
    """
    used = select(_USE.c.version).where(
        _USE.c.experiment == _VERSION.c.experiment, _USE.c.version == _VERSION.c.version
    )
    conditions = [_VERSION.c.experiment == experiment]
    if before is not None:
        conditions.append(_VERSION.c.version < before)
    if only:
        conditions.append(_VERSION.c.version.in_(only))
    rows = connection.execute(
        select(
            _VERSION.c.version,
            _VERSION.c.model_hash,
            _VERSION.c.arguments,
            _VERSION.c.blob_hash,
            func.length(_VERSION.c.blob).label("size"),
            _VERSION.c.interactions,
            _VERSION.c.published_at,
            used.exists().label("used"),
        )
        .where(*conditions)
        .order_by(_VERSION.c.version.desc())
        .limit(most)
    )
    return [
        ListedVersion(
            version=row.version,
            model_hash=row.model_hash,
            arguments=row.arguments,
            blob_hash=row.blob_hash,
            size=row.size,
            interactions=row.interactions,
            published_at=from_micros(row.published_at),
            used=bool(row.used),
        )
        for row in rows
    ]

"""Counts by key, unit and address of page traffic: a few rows for each experiment."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable

from sqlalchemy import BigInteger, Column, Connection, Text, delete, select
from sqlmodel import Field, SQLModel

from bandit_platform.domain.page_source import ArmCounts, PageSource, SourceKind
from bandit_platform.storage.statements import batches, put, table


class PageSourceRow(SQLModel, table=True):
    """What is counted of one key, unit or address, or of all together."""

    __tablename__ = "page_source"

    experiment: str = Field(primary_key=True)
    #: key, unit or address
    kind: str = Field(primary_key=True)
    #: id or pseudonym; empty for all of the kind together
    name: str = Field(primary_key=True)
    rank: int = Field(sa_column=Column(BigInteger, nullable=False))
    decisions: int = Field(sa_column=Column(BigInteger, nullable=False))
    over_limit: int = Field(sa_column=Column(BigInteger, nullable=False))
    #: JSON: arm → [matured decisions, rewarded ones]
    arms: str = Field(sa_column=Column(Text, nullable=False))


_SOURCE = table(PageSourceRow)


def page_sources(connection: Connection, experiment: str) -> list[PageSource]:
    """Every kept source of an experiment, sums included."""
    rows = connection.execute(
        select(_SOURCE)
        .where(_SOURCE.c.experiment == experiment)
        .order_by(_SOURCE.c.kind, _SOURCE.c.name)
    )
    return [
        PageSource(
            kind=SourceKind(row.kind),
            name=row.name,
            rank=row.rank,
            decisions=row.decisions,
            over_limit=row.over_limit,
            arms={
                arm: ArmCounts(decisions=decisions, rewarded=rewarded)
                for arm, (decisions, rewarded) in json.loads(row.arms).items()
            },
        )
        for row in rows
    ]


def put_page_sources(
    connection: Connection, experiment: str, sources: Iterable[PageSource]
) -> None:
    """Store counts in place of those that were stored."""
    rows = [
        {
            "experiment": experiment,
            "kind": each.kind.value,
            "name": each.name,
            "rank": each.rank,
            "decisions": each.decisions,
            "over_limit": each.over_limit,
            "arms": json.dumps(
                {arm: [one.decisions, one.rewarded] for arm, one in each.arms.items()}
            ),
        }
        for each in sources
    ]
    put(connection, PageSourceRow, rows)


def remove_page_sources(
    connection: Connection, experiment: str, kind: SourceKind, names: Collection[str]
) -> None:
    """Stop counting sources of an experiment."""
    for some in batches(sorted(names)):
        connection.execute(
            delete(_SOURCE).where(
                _SOURCE.c.experiment == experiment,
                _SOURCE.c.kind == kind.value,
                _SOURCE.c.name.in_(some),
            )
        )


def forget_page_sources(connection: Connection, unit: str, addresses: Collection[str]) -> int:
    """Remove what is counted of a unit, and of the addresses that it came from; how many rows."""
    removed = 0
    for kind, names in ((SourceKind.UNIT, {unit}), (SourceKind.ADDRESS, addresses)):
        for some in batches(sorted(names)):
            removed += connection.execute(
                delete(_SOURCE).where(_SOURCE.c.kind == kind.value, _SOURCE.c.name.in_(some))
            ).rowcount
    return removed

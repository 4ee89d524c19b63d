"""A running experiment's interactions as parts of a decision log, read a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bandit_platform.domain.selection import Selection
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.storage.database import Database
from bandit_platform.storage.interactions import (
    Extent,
    Interaction,
    policy_extent,
    policy_interactions,
)

BATCH = 5000
"""Interactions in memory together."""


@dataclass(frozen=True, kw_only=True)
class LiveRows:
    """The interactions that a question is about; walked as often as needed, always the same.

    Attributes:
        database: where they are.
        experiment: key.
        after: number of the last interaction that is left out.
        selection: period and conditions.
        extent: what there is between ``after`` and the newest one, conditions aside.
    """

    database: Database
    experiment: str
    after: int
    selection: Selection
    extent: Extent

    @classmethod
    def of(cls, database: Database, experiment: str, after: int, selection: Selection) -> LiveRows:
        """The rows as they stand now; interactions that mature later are not among them."""
        with database.read() as connection:
            extent = policy_extent(
                connection,
                experiment,
                after,
                since=selection.since,
                until=selection.until,
            )
        return cls(
            database=database,
            experiment=experiment,
            after=after,
            selection=selection,
            extent=extent,
        )

    def walk(self) -> Iterator[tuple[int, list[Interaction]]]:
        """How many rows were read, and those of them that are wanted, batch by batch in order."""
        if not self.extent.rows:
            return
        cursor = self.extent.first - 1
        while True:
            with self.database.read() as connection:
                batch = policy_interactions(
                    connection,
                    self.experiment,
                    cursor,
                    up_to=self.extent.last,
                    limit=BATCH,
                    since=self.selection.since,
                    until=self.selection.until,
                )
            if not batch:
                return
            cursor = batch[-1].number
            holds = self.selection.holds
            yield len(batch), [row for row in batch if holds(row.decision.context)]


def decision_log(rows: Sequence[Interaction], types: Mapping[str, str]) -> DecisionLog:
    """Interactions as a log.

    Args:
        rows: in order.
        types: context field → number, category, boolean or set.
    """
    import pandas as pd  # noqa: PLC0415 - slow to import

    arms = tuple(sorted({arm for row in rows for arm in row.decision.eligible}))
    code = {arm: number for number, arm in enumerate(arms)}
    pmf = np.zeros((len(rows), len(arms)))
    for place, row in enumerate(rows):
        pmf[place, [code[arm] for arm in row.decision.eligible]] = row.decision.pmf
    contexts = [row.decision.context for row in rows]
    columns = {
        name: pd.Series(
            [context.get(name, np.nan) for context in contexts],
            dtype="float64" if kind == "number" else None,
        )
        for name, kind in types.items()
    }
    return DecisionLog(
        arms=arms,
        arm=np.array([code[row.decision.arm] for row in rows], dtype=np.int64),
        propensity=np.array([row.decision.propensity for row in rows]),
        reward=np.array([row.reward for row in rows]),
        eligible=pmf > 0.0,
        pmf=pmf,
        context=pd.DataFrame(columns) if columns else None,
        unit=np.array([row.decision.unit for row in rows], dtype=object),
        moment=np.array(
            [row.decision.decided_at.replace(tzinfo=None) for row in rows], dtype="datetime64[us]"
        ),
    )

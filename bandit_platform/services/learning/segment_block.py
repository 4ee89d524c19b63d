"""Sums of one context field: for each of its segments, every policy's uplift over nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan

import numpy as np

from bandit_platform.domain.context import ContextValue
from bandit_platform.ope.live.uplift_bank import UpliftBank
from bandit_platform.ope.live.weight_bank import WeightBank
from bandit_platform.ope.reward_range import Floats
from bandit_platform.ope.sequences.confidence_sequence import Settings
from bandit_platform.services.learning.cuts import (
    NUMBERS_FOR_EDGES,
    Cut,
    found_edges,
    member_rows,
    numbers_of,
    range_keys,
    value_keys,
)
from bandit_platform.services.learning.support import Shares, Source, WaitingValues
from bandit_platform.services.learning.walked import Columns, Member, Places, WalkedBatch

SETTINGS = Settings(kind="uplift")


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentSums:
    """One segment: k policies over the rows that fall in it."""

    uplifts: UpliftBank
    weights: WeightBank

    @classmethod
    def empty(cls, size: int) -> SegmentSums:
        """Before the first row."""
        return cls(uplifts=UpliftBank.empty(size, SETTINGS), weights=WeightBank.empty(size))

    def updated(self, columns: Columns, scaled: Floats, rows: Places) -> SegmentSums:
        """With some rows of a batch.

        Args:
            columns: the batch, with the same policies.
            scaled: its rewards in [0, 1].
            rows: which of its rows.
        """
        weights, rewards = columns.weights[:, rows], scaled[rows]
        baseline = np.broadcast_to(columns.nothing_bound[rows], weights.shape)
        gain = weights - columns.nothing[rows]
        return SegmentSums(
            uplifts=self.uplifts.updated(gain, rewards, columns.bounds[:, rows], baseline),
            weights=self.weights.updated(weights, rewards),
        )

    def chosen(self, columns: Sequence[int]) -> SegmentSums:
        """Some of the policies."""
        return SegmentSums(
            uplifts=self.uplifts.chosen(columns), weights=self.weights.chosen(columns)
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentBlock:
    """The segments of one field for policies that started together.

    Attributes:
        cut: the field and how it is cut.
        members: the policies.
        since: number of the last interaction before it started.
        before: interactions of the policy traffic before it started.
        spent: rows that decided its ranges and are in no segment.
        edges: inner edges of its ranges; empty for values; None while numbers are gathered.
        numbers: those gathered to find edges.
        given: how many of them each unit and network gave.
        waiting: values without a segment of their own; see ``support``.
        segments: key → sums, in the order the segments were first seen.
    """

    cut: Cut
    members: tuple[Member, ...]
    since: int
    before: int
    spent: int
    edges: tuple[float, ...] | None
    numbers: tuple[float, ...]
    segments: Mapping[str, SegmentSums]
    given: Mapping[str, int] = field(default_factory=dict)
    waiting: Sequence[tuple[str, list[str], list[str]]] = ()

    @classmethod
    def empty(
        cls, cut: Cut, members: tuple[Member, ...], *, since: int, before: int
    ) -> SegmentBlock:
        """Before the first row.

        Args:
            cut: the field and how it is cut.
            members: the policies.
            since: number of the last interaction that is not in it.
            before: how many interactions came before.
        """
        edges = cut.edges if cut.number else ()
        return cls(
            cut=cut,
            members=members,
            since=since,
            before=before,
            spent=0,
            edges=edges,
            numbers=(),
            segments={},
        )

    def emptied(self) -> SegmentBlock:
        """As it was when it started."""
        return SegmentBlock.empty(self.cut, self.members, since=self.since, before=self.before)

    def keeping(self, members: Sequence[Member]) -> SegmentBlock | None:
        """Without the policies that are tracked no more; None where none is left."""
        places = [place for place, each in enumerate(self.members) if each in members]
        if len(places) == len(self.members):
            return self
        if not places:
            return None
        return replace(
            self,
            members=tuple(self.members[place] for place in places),
            segments={key: sums.chosen(places) for key, sums in self.segments.items()},
        )

    def updated(self, walked: WalkedBatch, scaled: Floats) -> SegmentBlock:
        """With the rows of a batch that come after its start.

        Args:
            walked: the batch; every member is among its policies.
            scaled: its rewards in [0, 1].
        """
        rows = walked.rows_after(self.since)
        values = [each.decision.context.get(self.cut.field) for each in walked.batch[rows]]
        if not values:
            return self
        if self.cut.contains:
            return self._updated_set(walked, scaled, values, rows.start)
        if not self.cut.number:
            waiting = None if self.cut.closed else WaitingValues(self.waiting)
            keys = value_keys(values, walked.sources[rows], list(self.segments), waiting)
            block = self if waiting is None else replace(self, waiting=waiting.state())
            return block._taken(walked, scaled, keys, rows.start)  # its own kind
        numbers = numbers_of(values)
        block, used = self, 0
        if self.edges is None:
            block, used = self._gathered(numbers, walked.sources[rows])
        if block.edges is None or used == len(values):
            return block
        return block._taken(  # its own kind
            walked, scaled, range_keys(numbers[used:], block.edges), rows.start + used
        )

    def _updated_set(
        self,
        walked: WalkedBatch,
        scaled: Floats,
        values: Sequence[ContextValue | None],
        first: int,
    ) -> SegmentBlock:
        waiting = None if self.cut.closed else WaitingValues(self.waiting)
        found = member_rows(
            values, walked.sources[first:], list(self.segments), waiting, self.cut.values
        )
        block = self if waiting is None else replace(self, waiting=waiting.state())
        rows = {key: np.array(places) + first for key, places in found.items()}
        return block._with_rows(walked, scaled, rows)  # its own kind

    def _gathered(self, numbers: Floats, sources: Sequence[Source]) -> tuple[SegmentBlock, int]:
        """Take numbers until there are enough for edges; how many rows that took."""
        shares = Shares(NUMBERS_FOR_EDGES, dict(self.given))
        gathered = list(self.numbers)
        used = 0
        for number, source in zip(numbers.tolist(), sources, strict=True):
            used += 1
            if not isnan(number) and shares.takes(source):
                gathered.append(number)
                if len(gathered) >= NUMBERS_FOR_EDGES:
                    break
        enough = len(gathered) >= NUMBERS_FOR_EDGES
        block = replace(
            self,
            numbers=tuple(gathered),
            given={} if enough else shares.state(),
            spent=self.spent + used,
            edges=found_edges(gathered) if enough else None,
        )
        return block, used

    def _taken(
        self, walked: WalkedBatch, scaled: Floats, keys: Sequence[str], first: int
    ) -> SegmentBlock:
        """With the rows from ``first`` on, each in the segment that its key says."""
        code = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        codes = np.array([code[key] for key in keys])
        rows = {key: np.flatnonzero(codes == number) + first for key, number in code.items()}
        return self._with_rows(walked, scaled, rows)

    def _with_rows(
        self, walked: WalkedBatch, scaled: Floats, rows: Mapping[str, Places]
    ) -> SegmentBlock:
        """With the rows of each segment."""
        columns = walked.columns(self.members)
        segments = dict(self.segments)
        for key, places in rows.items():
            sums = segments.get(key) or SegmentSums.empty(len(self.members))
            segments[key] = sums.updated(columns, scaled, places)
        return replace(self, segments=segments)

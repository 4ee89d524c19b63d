"""Uplifts of policies over one another, on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bandit_platform.ope.live.uplift_bank import UpliftBank
from bandit_platform.ope.reward_range import Floats
from bandit_platform.ope.sequences.confidence_sequence import Settings
from bandit_platform.services.learning.walked import Member, WalkedBatch

SETTINGS = Settings(kind="uplift")
Pair = tuple[Member, Member]


@dataclass(frozen=True, kw_only=True, eq=False)
class PairBlock:
    """Pairs of policies that started together: the first one's uplift over the second.

    The sequence of a pair read the other way round is the same one with its sign turned, so each
    pair is kept once.

    Attributes:
        pairs: target and baseline policy of each.
        since: number of the last interaction before it started.
        before: interactions of the policy traffic before it started.
        uplifts: a sequence for each pair.
    """

    pairs: tuple[Pair, ...]
    since: int
    before: int
    uplifts: UpliftBank

    @classmethod
    def empty(cls, pairs: tuple[Pair, ...], *, since: int, before: int) -> PairBlock:
        """Before the first row."""
        return cls(
            pairs=pairs,
            since=since,
            before=before,
            uplifts=UpliftBank.empty(len(pairs), SETTINGS),
        )

    def emptied(self) -> PairBlock:
        """As it was when it started."""
        return PairBlock.empty(self.pairs, since=self.since, before=self.before)

    def keeping(self, members: Sequence[Member]) -> PairBlock | None:
        """Without pairs of policies that are tracked no more; None where none is left."""
        places = [
            place
            for place, (first, second) in enumerate(self.pairs)
            if first in members and second in members
        ]
        if len(places) == len(self.pairs):
            return self
        if not places:
            return None
        return replace(
            self,
            pairs=tuple(self.pairs[place] for place in places),
            uplifts=self.uplifts.chosen(places),
        )

    def updated(self, walked: WalkedBatch, scaled: Floats) -> PairBlock:
        """With the rows of a batch that come after its start."""
        rows = walked.rows_after(self.since)
        if rows.start == rows.stop:
            return self
        first = walked.places([pair[0] for pair in self.pairs])
        second = walked.places([pair[1] for pair in self.pairs])
        weights, bounds = walked.weights[:, rows], walked.bounds[:, rows]
        gain = weights[first] - weights[second]
        return replace(
            self, uplifts=self.uplifts.updated(gain, scaled[rows], bounds[first], bounds[second])
        )

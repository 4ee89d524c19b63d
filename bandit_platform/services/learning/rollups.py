"""What is summed beside the leaderboard: segments of every field, and policies over one another.

The worker takes every batch in when all tracked policies have, in the transaction that moves
their cursors. What is added to a running experiment (a policy, a field, other ranges) starts at
the interactions that come then: the estimates say from which one on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeVar

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.ope.reward_range import RewardRange
from bandit_platform.services.learning.cuts import Cut, cuts_of
from bandit_platform.services.learning.pair_block import PairBlock
from bandit_platform.services.learning.segment_block import SegmentBlock
from bandit_platform.services.learning.tracked import (
    ALWAYS,
    ALWAYS_NOTHING,
    LOGGING,
    SERVING,
    SOMETHING,
)
from bandit_platform.services.learning.walked import Member, WalkedBatch

Block = TypeVar("Block", SegmentBlock, PairBlock)

MOST_POLICIES = 24
"""Policies that are compared with one another, and that are followed in segments."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rollups:
    """All blocks of an experiment."""

    segments: tuple[SegmentBlock, ...] = ()
    pairs: tuple[PairBlock, ...] = ()

    def aligned(self, spec: ExperimentSpec, walked: WalkedBatch) -> Rollups:
        """With blocks for what the experiment has now, and none for what it has no more.

        Args:
            spec: as it is.
            walked: the batch to come; what is missing starts with it.
        """
        since, before = walked.batch[0].number - 1, walked.before
        followed, nothing = _followed(walked.members), walked.members[walked.nothing]
        segments, pairs = [], _still(self.pairs, walked.members)
        for cut in cuts_of(spec):
            same = [replace(one, cut=cut) for one in self.segments if one.cut == cut]
            kept = _still(same, followed)
            covered = {member for one in kept for member in one.members}
            new = [member for member in followed if member not in covered]
            segments += kept
            if new:
                members = tuple(new if nothing in new else [*new, nothing])
                segments.append(SegmentBlock.empty(cut, members, since=since, before=before))
        compared = [each for each in walked.members if each.name != ALWAYS_NOTHING]
        known = {frozenset(pair) for one in pairs for pair in one.pairs}
        missing = tuple(
            pair
            for pair in combinations(compared[:MOST_POLICIES], 2)
            if frozenset(pair) not in known
        )
        if missing:
            pairs.append(PairBlock.empty(missing, since=since, before=before))
        return Rollups(segments=tuple(segments), pairs=tuple(pairs))

    def updated(self, walked: WalkedBatch, reward_range: RewardRange) -> Rollups:
        """With a batch that every policy in a block has taken in."""
        scaled = reward_range.scale(walked.rewards)
        return Rollups(
            segments=tuple(one.updated(walked, scaled) for one in self.segments),
            pairs=tuple(one.updated(walked, scaled) for one in self.pairs),
        )

    def keeping(self, members: Sequence[Member]) -> Rollups:
        """Without the policies that are tracked no more."""
        return Rollups(
            segments=tuple(_still(self.segments, members)),
            pairs=tuple(_still(self.pairs, members)),
        )

    def emptied(self) -> Rollups:
        """The same blocks as they were when they started, to be filled again."""
        return Rollups(
            segments=tuple(one.emptied() for one in self.segments),
            pairs=tuple(one.emptied() for one in self.pairs),
        )

    def of_field(self, cut: Cut) -> list[SegmentBlock]:
        """The blocks of a field."""
        return [one for one in self.segments if one.cut == cut]


def _followed(members: Sequence[Member]) -> list[Member]:
    """The policies that segments tell of: as it was served, learned, and forced."""
    named = {LOGGING, SERVING, SOMETHING}
    wanted = [one for one in members if one.name in named or one.name.startswith(ALWAYS)]
    return wanted[:MOST_POLICIES]


def _still(blocks: Sequence[Block], members: Sequence[Member]) -> list[Block]:
    """The blocks without policies that are gone."""
    kept = (block.keeping(members) for block in blocks)
    return [block for block in kept if block is not None]

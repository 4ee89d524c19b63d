"""What one batch of interactions says about every tracked policy, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bandit_platform.ope.reward_range import Floats
from bandit_platform.services.learning.support import Source
from bandit_platform.services.learning.tracked import ALWAYS_NOTHING
from bandit_platform.storage.interactions import Interaction

if TYPE_CHECKING:
    from bandit_platform.services.learning.walk import Standing

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Member:
    """A policy as far as comparisons care: another identity is another policy."""

    #: of its row when it was compared first; roles and names change
    name: str = field(compare=False)
    identity: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """Weights of some policies and of always showing nothing; see :class:`WalkedBatch`."""

    weights: Floats
    bounds: Floats
    nothing: Floats
    nothing_bound: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class WalkedBatch:
    """Weights and rewards of a batch that all tracked policies have taken in together.

    Attributes:
        batch: the interactions, in order.
        members: the policies.
        before: interactions each of them had taken in before.
        weights: importance weight of each policy in each row, shape (k, n).
        bounds: the greatest that could have occurred, shape (k, n).
        nothing: place of always showing nothing among the policies.
        rewards: reward units, shape (n,).
    """

    batch: Sequence[Interaction]
    members: tuple[Member, ...]
    before: int
    weights: Floats
    bounds: Floats
    nothing: int
    rewards: Floats

    @classmethod
    def of(cls, batch: Sequence[Interaction], standings: Sequence[Standing]) -> WalkedBatch:
        """The batch that the standings took in last.

        Args:
            batch: the interactions.
            standings: every tracked policy, all after the batch.
        """
        names = [standing.name for standing in standings]
        return cls(
            batch=batch,
            members=tuple(Member(name=each.name, identity=each.identity) for each in standings),
            before=standings[0].interactions - len(batch),
            weights=np.stack([standing.weights for standing in standings]),
            bounds=np.stack([standing.largest_weights for standing in standings]),
            nothing=names.index(ALWAYS_NOTHING),
            rewards=np.array([interaction.reward for interaction in batch]),
        )

    @cached_property
    def sources(self) -> list[Source]:
        """Whose word the context of each row is."""
        return [
            Source(d.trusted, d.over_limit, d.unit, d.address)
            for d in (interaction.decision for interaction in self.batch)
        ]

    def rows_after(self, number: int) -> slice:
        """The rows after an interaction."""
        if self.batch[0].number > number:
            return slice(0, len(self.batch))
        first = sum(each.number <= number for each in self.batch)
        return slice(first, len(self.batch))

    def places(self, members: Sequence[Member]) -> list[int]:
        """Where some of the policies stand."""
        where = {member: place for place, member in enumerate(self.members)}
        return [where[member] for member in members]

    def columns(self, members: Sequence[Member]) -> Columns:
        """The weights of some of the policies."""
        places = self.places(members)
        return Columns(
            weights=self.weights[places],
            bounds=self.bounds[places],
            nothing=self.weights[self.nothing],
            nothing_bound=self.bounds[self.nothing],
        )

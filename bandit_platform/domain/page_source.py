"""Counts of page traffic by key, unit or address, and which sources to keep counting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bandit_platform.domain.request_arms import MOST_REPORTED, OTHER

#: keys, units and addresses kept of each experiment, of each kind
MOST_SOURCES = 32


class SourceKind(StrEnum):
    """By what page traffic is counted."""

    KEY = "key"
    UNIT = "unit"
    ADDRESS = "address"


#: name of the sum over all sources of a kind
TOTAL = ""


@dataclass(frozen=True, kw_only=True)
class ArmCounts:
    """Matured decisions that drew one arm."""

    decisions: int = 0
    #: those whose reward was above the default
    rewarded: int = 0


@dataclass(frozen=True, kw_only=True)
class PageSource:
    """What is counted of one source since it was first kept."""

    kind: SourceKind
    #: id of the key, or pseudonym of the unit or address; empty for the sum
    name: str
    #: its decisions, and what was dropped before it came; for the sum what was dropped so far
    rank: int
    #: decisions below the limits and above them
    decisions: int = 0
    over_limit: int = 0
    arms: Mapping[str, ArmCounts] = field(default_factory=dict)

    @property
    def asked(self) -> int:
        """All its decisions."""
        return self.decisions + self.over_limit

    def plus(self, decisions: int, over_limit: int) -> PageSource:
        """With so many decisions more."""
        return replace(
            self,
            rank=self.rank + (decisions + over_limit if self.name else 0),
            decisions=self.decisions + decisions,
            over_limit=self.over_limit + over_limit,
        )

    def with_outcomes(self, arm: str, decisions: int, rewarded: int) -> PageSource:
        """With so many matured decisions of an arm more; arms beyond the first 200 are one."""
        if arm not in self.arms and len(self.arms) >= MOST_REPORTED:
            arm = OTHER
        before = self.arms.get(arm, ArmCounts())
        after = ArmCounts(
            decisions=before.decisions + decisions, rewarded=before.rewarded + rewarded
        )
        return replace(self, arms={**self.arms, arm: after})


def kept_sources(total: PageSource, sources: Iterable[PageSource]) -> tuple[PageSource, set[str]]:
    """Which sources of a kind go on being counted: the frequent ones (Misra and Gries, 1982).

    Whatever has more than one in ``MOST_SOURCES + 1`` of the decisions is among them, so nobody
    gets out of sight by inventing others.

    Returns:
        The sum with its new rank, and the names of those to keep.
    """
    ranks = {each.name: each.rank for each in sources}
    if len(ranks) <= MOST_SOURCES:
        return total, set(ranks)
    dropped = sorted(ranks.values(), reverse=True)[MOST_SOURCES]
    return replace(total, rank=dropped), {name for name, rank in ranks.items() if rank > dropped}

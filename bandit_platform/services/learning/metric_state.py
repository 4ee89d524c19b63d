"""What the metrics of one policy keep between batches: sums and sequences, never rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bandit_platform.errors import BanditPlatformError
from bandit_platform.ope import PolicyAccumulator, RewardRange
from bandit_platform.ope.running import totals
from bandit_platform.ope.sequences.unbounded import UnboundedAccumulator
from bandit_platform.services.learning.outcomes import PURCHASE, RETURN, Outcomes
from bandit_platform.services.learning.support import WaitingValues

Floats = npt.NDArray[np.float64]
#: Troubles whose rate per offer shown is watched.
REGRETS = ("dismiss", RETURN, "complaint")
REWARD = "reward"
_UNIT = RewardRange(low=0.0, high=1.0)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """The importance weights of a batch for the policy and for always showing nothing."""

    policy: Floats
    nothing: Floats
    #: the greatest there could have been, row by row
    largest: Floats
    largest_nothing: Floats


@dataclass(frozen=True, kw_only=True)
class GroupSums:
    """Interactions in which an offer was shown, or in which nothing was."""

    decisions: int = 0
    reward: float = 0.0
    revenue: float = 0.0
    #: purchases without a return inside the window
    kept: int = 0
    #: event type → interactions in which it happened
    happened: dict[str, int] = field(default_factory=dict)

    def updated(self, batch: Outcomes, chosen: npt.NDArray[np.bool_]) -> GroupSums:
        """The sums after the chosen rows of a batch, added one after the other."""
        columns = (batch.reward[chosen], batch.revenue[chosen])
        before = self.revenue if batch.revenue_from is None else 0.0
        reward, revenue = totals((self.reward, before), columns)
        happened = dict(self.happened)
        for name, column in batch.happened.items():
            happened[name] = happened.get(name, 0) + int(column[chosen].sum())
        none = np.zeros(chosen.shape)
        bought = batch.happened.get(PURCHASE, none) > batch.happened.get(RETURN, none)
        return GroupSums(
            decisions=self.decisions + int(chosen.sum()),
            reward=reward,
            revenue=revenue,
            kept=self.kept + int((bought & chosen).sum()),
            happened=happened,
        )


@dataclass(frozen=True, kw_only=True)
class MetricState:
    """Every metric of one policy, over the same interactions in the same order.

    A type that appears late was 0 in every interaction before; ``absent`` is the accumulator of
    an event that never happens, from which a new type's starts. So each stands exactly as if it
    had been there from the first interaction, and how rows are cut into batches changes no bit.
    """

    #: interactions that were there before metrics were kept
    skipped: int
    absent: PolicyAccumulator
    #: event type → accumulator of whether it happened, in order of appearance
    events: dict[str, PolicyAccumulator]
    revenue: UnboundedAccumulator
    currency: str | None
    foreign: int
    shown: GroupSums
    nothing: GroupSums
    #: rate per offer shown, of each regret and of the reward
    per_offer: dict[str, PolicyAccumulator]
    #: event types without a metric of their own; see ``support``
    waiting: list[Any] = field(default_factory=list)

    @classmethod
    def empty(cls, reward_range: RewardRange, *, skipped: int = 0) -> MetricState:
        """Before the first interaction.

        Args:
            reward_range: the declared range of rewards.
            skipped: interactions that the policy took in before.
        """
        absent = PolicyAccumulator.empty(reward_range=_UNIT)
        each = PolicyAccumulator.empty(reward_range=_UNIT, same_policy=True)
        reward = PolicyAccumulator.empty(reward_range=reward_range, same_policy=True)
        return cls(
            skipped=skipped,
            absent=absent,
            events={},
            revenue=UnboundedAccumulator(),
            currency=None,
            foreign=0,
            shown=GroupSums(),
            nothing=GroupSums(),
            per_offer={**dict.fromkeys(REGRETS, each), REWARD: reward},
        )

    def updated(self, batch: Outcomes, weights: Weights, waiting: WaitingValues) -> MetricState:
        """The state after more interactions, with the event types that wait after them."""
        none = np.zeros(batch.shown.shape)
        first = batch.revenue_from
        revenue, paid = (self.revenue, 0) if first is None else (UnboundedAccumulator(), first)

        def taken(accumulator: PolicyAccumulator, outcome: Floats) -> PolicyAccumulator:
            return accumulator.updated(
                weight=weights.policy,
                baseline_weight=weights.nothing,
                reward=outcome,
                max_weight=weights.largest,
                baseline_max_weight=weights.largest_nothing,
            )

        return replace(
            self,
            absent=taken(self.absent, none),
            events={
                name: taken(self.events.get(name, self.absent), column)
                for name, column in batch.happened.items()
            },
            revenue=revenue.updated(
                weight=weights.policy[paid:],
                baseline_weight=weights.nothing[paid:],
                outcome=batch.revenue[paid:],
            ),
            currency=batch.currency,
            foreign=self.foreign + batch.foreign,
            shown=self.shown.updated(batch, batch.shown),
            nothing=self.nothing.updated(batch, ~batch.shown),
            per_offer={
                name: _per_offer(accumulator, batch, name)
                for name, accumulator in self.per_offer.items()
            },
            waiting=waiting.state(),
        )

    def to_json(self) -> str:
        """The state as text; :meth:`from_json` reads it back to the last bit."""
        return json.dumps(
            {
                "skipped": self.skipped,
                "absent": self.absent.to_state(),
                "events": {name: each.to_state() for name, each in self.events.items()},
                "revenue": self.revenue.to_state(),
                "currency": self.currency,
                "foreign": self.foreign,
                "shown": asdict(self.shown),
                "nothing": asdict(self.nothing),
                "per_offer": {name: each.to_state() for name, each in self.per_offer.items()},
                "waiting": self.waiting,
            }
        )

    @classmethod
    def read(cls, text: str) -> MetricState | None:
        """The state that a text holds; None where it is damaged."""
        try:
            return cls.from_json(text)
        except (ValueError, KeyError, TypeError, AttributeError, BanditPlatformError):
            return None

    @classmethod
    def from_json(cls, text: str) -> MetricState:
        """The state that a text holds, which :meth:`to_json` wrote."""
        data: dict[str, Any] = json.loads(text)
        return cls(
            skipped=data["skipped"],
            absent=PolicyAccumulator.from_state(data["absent"]),
            events=_accumulators(data["events"]),
            revenue=UnboundedAccumulator.from_state(data["revenue"]),
            currency=data["currency"],
            foreign=data["foreign"],
            shown=GroupSums(**data["shown"]),
            nothing=GroupSums(**data["nothing"]),
            per_offer=_accumulators(data["per_offer"]),
            waiting=data["waiting"],
        )


def _accumulators(states: Mapping[str, Mapping[str, Any]]) -> dict[str, PolicyAccumulator]:
    return {name: PolicyAccumulator.from_state(state) for name, state in states.items()}


def _per_offer(accumulator: PolicyAccumulator, batch: Outcomes, name: str) -> PolicyAccumulator:
    """A mean over the rows in which an offer was shown: every weight is 1."""
    column = batch.reward if name == REWARD else batch.happened.get(name)
    outcome = np.zeros(batch.shown.shape) if column is None else column
    rows = outcome[batch.shown]
    ones = np.ones(rows.shape)
    return accumulator.updated(
        weight=ones, baseline_weight=ones, reward=rows, max_weight=1.0, baseline_max_weight=1.0
    )

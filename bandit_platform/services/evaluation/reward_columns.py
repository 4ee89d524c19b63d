"""What made up the rewards of exported rows: gross, taken back, costs, and their currency."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.reward import reward_of
from bandit_platform.storage.database import Connection
from bandit_platform.storage.events import events_of
from bandit_platform.storage.interactions import Interaction


@dataclass(frozen=True, kw_only=True, slots=True)
class RewardColumns:
    """The parts of one reward; default + gross + taken_back - costs, cut to the range, is it."""

    #: None while the experiment had none
    currency: str | None
    #: the parts are None where the stored events no longer give the stored reward
    gross: float | None = None
    taken_back: float | None = None
    costs: float | None = None


def reward_columns(
    connection: Connection,
    interactions: Sequence[Interaction],
    specs: Mapping[int, ExperimentSpec],
) -> list[RewardColumns]:
    """The parts of each reward, from the events and the rules that counted when it became final.

    Args:
        connection: a transaction.
        interactions: of one experiment.
        specs: revision → its spec.
    """
    events = events_of(connection, [each.decision.decision_id for each in interactions])
    found = []
    for each in interactions:
        decision, rules = each.decision, each.rules
        counting = specs.get(rules.revision or 0)
        if counting is None:
            found.append(RewardColumns(currency=rules.currency))
            continue
        reward = reward_of(
            [
                event
                for event, late in events.get(decision.decision_id, ())
                if counting.events.may_count(event, late)
            ],
            specs.get(decision.revision, counting).worth_of(decision.arm),
            counting.reward_range,
            rules.currency,
        )
        if not math.isclose(reward.value, each.reward, rel_tol=1e-9, abs_tol=1e-9):
            found.append(RewardColumns(currency=rules.currency))
            continue
        found.append(
            RewardColumns(
                currency=rules.currency,
                gross=reward.gross,
                taken_back=reward.taken_back,
                costs=reward.costs,
            )
        )
    return found

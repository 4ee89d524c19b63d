"""Which arms were chosen: by draws and by probabilities."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bandit_platform.domain.decision import POLICY_TRAFFIC
from bandit_platform.simulation.tally import Served


@dataclass(frozen=True, kw_only=True)
class ArmShares:
    """How often each arm was chosen in a stretch of policy traffic."""

    decisions: int
    #: arm → share of the decisions that drew it
    drawn: dict[str, float]
    #: arm → mean probability; the same with less noise
    probability: dict[str, float]


def last_quarter(served: Sequence[Served], arms: Sequence[str]) -> ArmShares:
    """The arms of the last quarter of the policy traffic, in the order it was sent."""
    traffic = [each for each in served if each.reason in POLICY_TRAFFIC]
    stretch = traffic[len(traffic) * 3 // 4 :]
    drawn: dict[str, int] = defaultdict(int)
    probability: dict[str, float] = defaultdict(float)
    for each in stretch:
        drawn[each.arm] += 1
        for arm, share in each.pmf.items():
            probability[arm] += share
    size = max(len(stretch), 1)
    return ArmShares(
        decisions=len(stretch),
        drawn={arm: drawn[arm] / size for arm in arms},
        probability={arm: probability[arm] / size for arm in arms},
    )

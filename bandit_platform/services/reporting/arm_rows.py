"""The rows of a report by arm: the most frequent ones, and the others together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bandit_platform.domain.request_arms import OTHER, most_frequent
from bandit_platform.domain.reward import weights_to_file
from bandit_platform.services.reporting.report_records import ArmRow
from bandit_platform.storage.experiments import StoredExperiment, StoredRevision


def arm_rows(
    stored: StoredExperiment, counted: Mapping[str, float], known: Sequence[StoredRevision]
) -> tuple[ArmRow, ...]:
    """What was counted of each arm, listed or seen."""
    total = counted.get("interactions.policy", 0.0)
    seen = [
        name.removeprefix("arm.").removesuffix(".count")
        for name in counted
        if name.startswith("arm.") and name.endswith(".count")
    ]
    listed = stored.spec.arm_keys
    newest = {arm.key: arm for each in known for arm in each.spec.arms}
    rows = []
    shown = {*listed, *most_frequent({arm: counted[f"arm.{arm}.count"] for arm in seen})}
    rest = [arm for arm in seen if arm not in shown]
    for arm in dict.fromkeys(
        [
            *listed,
            *_in_order(counted, {*seen} & shown, by_count=stored.spec.takes_arms),
            *([OTHER] if rest else []),
        ]
    ):
        sums = _sums(counted, [arm, *rest] if arm == OTHER and rest else [arm])
        count, reward = sums["count"], sums["reward"]
        declared = newest.get(arm)
        rows.append(
            ArmRow(
                arm=arm,
                active=arm in listed or stored.spec.takes_arms,
                interactions=int(count),
                share=count / total if total else 0.0,
                mean_reward=reward / count if count else None,
                gross=sums["gross"],
                taken_back=sums["taken_back"],
                costs=sums["costs"],
                advertiser=declared.advertiser if declared else None,
                category=declared.category if declared else None,
                value=weights_to_file(declared.value) if declared else {},
                cost=weights_to_file(declared.cost) if declared else {},
            )
        )
    return tuple(rows)


def _in_order(counted: Mapping[str, float], arms: set[str], *, by_count: bool) -> list[str]:
    """Arms by name, or the most frequent first."""
    if not by_count:
        return sorted(arms)
    return sorted(arms, key=lambda arm: (-counted.get(f"arm.{arm}.count", 0.0), arm))


def _sums(counted: Mapping[str, float], arms: Sequence[str]) -> dict[str, float]:
    """The counts of several arms together."""
    return {
        what: sum(counted.get(f"arm.{arm}.{what}", 0.0) for arm in arms)
        for what in ("count", "reward", "gross", "taken_back", "costs")
    }

"""Changing an experiment: what differs, and what may not change once data were collected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bandit_platform.domain.experiment import ExperimentSpec, Holdout

#: What no shopper gets to feel: told, shown or valued otherwise, but decided as before.
_FREE = frozenset({"owner", "hypothesis", "report", "candidates"})
LOCKED = {
    "placement": "a different page is a different experiment",
    "reward": "rewards already counted would mean something else than later ones",
    "events": "outcomes that pages report for these types would start to count",
    "value": "rewards of this arm that were counted would mean something else than later ones",
    "range": "every estimate is scaled by it. To add an arm that is worth more, state the range in "
    "force as reward.range: rewards beyond it are then cut and counted",
    "holdout": "units would move between holdout and policy, and their contrast would be void",
}


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference between two specs: a path, what stood there, what stands there now."""

    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.path} = {self.after!r}"
        if self.after is None:
            return f"- {self.path} (was {self.before!r})"
        return f"~ {self.path}: {self.before!r} → {self.after!r}"


def changes(before: ExperimentSpec, after: ExperimentSpec) -> tuple[Change, ...]:
    """Every difference, in the order of the file; arms and candidates are matched by name."""
    old, new = _flat(_named(before)), _flat(_named(after))
    return tuple(
        Change(path=path, before=old.get(path), after=new.get(path))
        for path in dict.fromkeys([*old, *new])
        if old.get(path) != new.get(path) and not _is_left_to_default(path, old, new)
    )


def locked_changes(differences: tuple[Change, ...]) -> tuple[tuple[Change, str], ...]:
    """The differences that a started experiment refuses, each with the reason."""
    arms_of_both = _arms_of_both(differences)
    return tuple(
        (change, LOCKED[lock])
        for change in differences
        for lock in [_lock_of(change, arms_of_both)]
        if lock is not None and not _is_stated_default(change) and not is_repair(change)
    )


def with_range_in_force(before: ExperimentSpec, after: ExperimentSpec) -> ExperimentSpec:
    """A new spec of a started experiment with the range that its rewards are counted in.

    A range that is worked out from the arms would become another one when an arm comes or goes, so
    the one in force is stated where it holds every arm of the new spec.
    """
    low, high = before.reward_range
    least, greatest = after.reward_range
    stated = after.reward.range is not None
    if stated or after.reward_range == before.reward_range or least < low or greatest > high:
        return after
    reward = after.reward.model_copy(update={"range": (low, high)})
    return ExperimentSpec.model_validate({**after.to_file(), "reward": reward.to_file()})


def revalued_arms(before: ExperimentSpec, after: ExperimentSpec) -> tuple[str, ...]:
    """Arms of both specs whose outcomes are worth or cost something else."""
    old = before.arms_by_key
    return tuple(
        arm.key
        for arm in after.arms
        if arm.key in old and (arm.value, arm.cost) != (old[arm.key].value, old[arm.key].cost)
    )


def _lock_of(change: Change, arms_of_both: frozenset[str]) -> str | None:
    """The part of :data:`LOCKED` that a change belongs to; None for a part that may change."""
    table, *names = change.path.split(".")
    if change.path == "reward.range":
        return "range"
    if table == "arms" and len(names) > 1 and names[1] in {"value", "cost"}:
        return "value" if names[0] in arms_of_both else None
    return table if table in LOCKED and table not in {"value", "range"} else None


def _arms_of_both(differences: tuple[Change, ...]) -> frozenset[str]:
    """Arms with a difference that neither came nor went."""
    names = [change.path.split(".") for change in differences]
    changed = {parts[1] for parts in names if parts[0] == "arms" and len(parts) > 1}
    keys = {parts[1] for parts in names if parts[0] == "arms" and parts[2:] == ["key"]}
    return frozenset(changed - keys)


def is_repair(change: Change) -> bool:
    """Whether a change only keeps outsiders out of rewards to come, so that nothing locks it.

    These are a currency where none was declared, and more event types that only servers may
    report. Rewards that are final stay; decisions whose reward becomes final afterwards count by
    the new rule.
    """
    if change.path == "reward.currency":
        return change.before is None
    if change.path == "events.secret_only":
        return set(change.before or ()) <= set(change.after or ())
    return False


def is_felt(change: Change) -> bool:
    """Whether decisions differ afterwards, so that charts mark the moment with a line."""
    table, *names = change.path.split(".")
    label = table == "arms" and names[1:] in (["advertiser"], ["category"])
    return table not in _FREE and not label and not _is_stated_default(change)


def _is_left_to_default(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a holdout is no longer written down, but stays what it is."""
    return path == "holdout.share" and path not in new and old[path] == Holdout().share


def _is_stated_default(change: Change) -> bool:
    """Whether a holdout was only written down, as it was by default anyway."""
    left = change.before is None and change.after == Holdout().share
    return change.path == "holdout.share" and left


def _named(spec: ExperimentSpec) -> dict[str, Any]:
    data = spec.to_file()
    data["arms"] = {arm["key"]: arm for arm in data["arms"]}
    data["reward"]["range"] = list(spec.reward_range)  # stated or worked out, it counts the same
    data["candidates"] = {item["name"]: item for item in data.get("candidates", ())}
    return data


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, item in value.items():
        path = f"{prefix}{name}"
        if isinstance(item, Mapping) and item:
            flat.update(_flat(item, f"{path}."))
        elif not isinstance(item, Mapping):
            flat[path] = item
    return flat

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
    return tuple(
        (change, LOCKED[change.path.split(".")[0]])
        for change in differences
        if change.path.split(".")[0] in LOCKED
        and not _is_stated_default(change)
        and not is_repair(change)
    )


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
    return change.path.split(".")[0] not in _FREE and not _is_stated_default(change)


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

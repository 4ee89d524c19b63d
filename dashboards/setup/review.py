"""What a change of an experiment would do, for somebody to look at before it is saved."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.revision import (
    LOCKED,
    Change,
    changes,
    is_felt,
    is_repair,
    locked_changes,
    with_range_in_force,
)

_WORDS = MappingProxyType(
    {
        "free": "free: nobody is shown anything else",
        "felt": "starts a new revision: a line in every chart",
        "counted": "applies to rewards that become final from now on; a line in every chart",
        "locked": "locked",
    }
)


_COUNTED = (
    "Final rewards do not change. Rewards that become final from now on follow the new rule, even "
    "for decisions made earlier."
)


@dataclass(frozen=True, kw_only=True)
class ChangeLine:
    """One difference, as printed.

    Attributes:
        path: where, as in the file.
        before: what stood there; empty for nothing.
        after: what stands there now; empty for nothing.
        effect: free, felt, counted or locked.
        words: the effect in words.
        why: why it is locked; empty where it is not.
    """

    path: str
    before: str
    after: str
    effect: str
    words: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Review:
    """All differences, and what follows from them."""

    lines: tuple[ChangeLine, ...]
    #: what happens when it is saved, in a sentence
    summary: str
    #: whether it may be saved
    allowed: bool
    #: the model arguments differ, so that learning begins again
    relearns: bool


def review(before: ExperimentSpec, after: ExperimentSpec, *, started: bool) -> Review:
    """What changing one spec into another does.

    Args:
        before: the spec in force.
        after: the spec to come.
        started: whether data were collected, so that some parts are locked.
    """
    if started:
        after = with_range_in_force(before, after)
    found = changes(before, after)
    lines = change_lines(found, started=started)
    kinds = {line.effect for line in lines}
    relearns = _model(before) != _model(after)
    return Review(
        lines=lines,
        summary=_summary(kinds, started=started, relearns=relearns),
        allowed=bool(lines) and "locked" not in kinds,
        relearns=relearns,
    )


def change_lines(found: tuple[Change, ...], *, started: bool) -> tuple[ChangeLine, ...]:
    """Differences as printed, the locked ones first."""
    locked = {change.path: why for change, why in locked_changes(found)} if started else {}
    lines = [_line(change, locked.get(change.path, ""), started=started) for change in found]
    return tuple(sorted(lines, key=lambda line: line.effect != "locked"))


def lock_reasons(started: ExperimentSpec | None) -> dict[str, str]:
    """Part of the form → why it cannot change any more.

    Args:
        started: the spec in force of an experiment that was started; None for any other.
    """
    if started is None:
        return {}
    declared = {} if started.reward.currency is None else {"currency": LOCKED["reward"]}
    return {**LOCKED, **declared}


def _line(change: Change, why: str, *, started: bool) -> ChangeLine:
    effect = "locked" if why else "felt" if is_felt(change) else "free"
    if started and not why and is_repair(change):
        effect = "counted"
    return ChangeLine(
        path=change.path,
        before=value_text(change.before),
        after=value_text(change.after),
        effect=effect,
        words=_WORDS[effect],
        why=why,
    )


def value_text(value: Any) -> str:
    """A value of a file, as somebody would type it."""
    if value is None:
        return ""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _summary(kinds: set[str], *, started: bool, relearns: bool) -> str:
    if not kinds:
        return "Nothing differs from what is saved."
    if "locked" in kinds:
        return (
            "This cannot be saved: what is marked as locked would make the numbers before and "
            "after mean different things. Stop the experiment and launch the new definition under "
            "another key."
        )
    if not started:
        return "The experiment has not been started, so everything may change."
    if kinds == {"free"}:
        return "Shoppers notice nothing of this, and no chart is marked."
    if kinds <= {"free", "counted"}:
        return f"{_COUNTED} Decisions are made as before, and every chart gets a line."
    sentence = "Decisions are made by this from the next second on, and every chart gets a line."
    if "counted" in kinds:
        sentence += f" {_COUNTED}"
    if relearns:
        sentence += (
            " The model's arguments change, so it learns again from the first interaction; until "
            "it is published, every eligible arm is equally likely."
        )
    return sentence


def _model(spec: ExperimentSpec) -> tuple[Any, ...]:
    policy = spec.policy
    return (
        policy.exploration,
        policy.all_parameters(),
        policy.interactions,
        policy.learning_rate,
    )

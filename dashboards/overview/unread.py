"""Experiments whose definition this version cannot read, and what can be done with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bandit_platform.domain.lifecycle import Action, State
from dashboards.setup.launch_page import Step, steps

_NEEDS_A_SPEC = frozenset({Action.START, Action.RESUME})


@dataclass(frozen=True, kw_only=True)
class UnreadLine:
    """One of them.

    Attributes:
        key: of the experiment.
        state: where it stands.
        steps: those that need no definition, such as stopping.
    """

    key: str
    state: State
    steps: tuple[Step, ...]


def unread_lines(states: Mapping[str, State], read: Collection[str]) -> list[UnreadLine]:
    """A line for each experiment that is not archived and could not be read."""
    return [
        UnreadLine(
            key=key,
            state=state,
            steps=tuple(each for each in steps(state) if each.action not in _NEEDS_A_SPEC),
        )
        for key, state in states.items()
        if key not in read and state is not State.ARCHIVED
    ]

"""The life of an experiment: draft → running ⇄ paused → stopped → archived."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from bandit_platform.errors import StateError


class State(StrEnum):
    """Where an experiment stands."""

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    ARCHIVED = "archived"


class Action(StrEnum):
    """What a team can do with an experiment."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    ARCHIVE = "archive"


_STEPS = MappingProxyType(
    {
        (State.DRAFT, Action.START): State.RUNNING,
        (State.RUNNING, Action.PAUSE): State.PAUSED,
        (State.PAUSED, Action.RESUME): State.RUNNING,
        (State.RUNNING, Action.STOP): State.STOPPED,
        (State.PAUSED, Action.STOP): State.STOPPED,
        (State.STOPPED, Action.ARCHIVE): State.ARCHIVED,
        (State.DRAFT, Action.ARCHIVE): State.ARCHIVED,
    }
)

#: What each action means for shoppers and for the numbers.
CONSEQUENCES = MappingProxyType(
    {
        Action.START: "Shoppers outside the holdout get arms from now on; everything is measured.",
        Action.PAUSE: "Every shopper gets nothing; these answers are in no estimate. Events for "
        "earlier decisions still count.",
        Action.RESUME: "Shoppers outside the holdout get arms again; everything is measured.",
        Action.STOP: "Every shopper gets nothing for good. Events for earlier decisions still "
        "count until their window ends.",
        Action.ARCHIVE: "The experiment leaves the lists; its data stay.",
    }
)


def possible_actions(state: State) -> tuple[Action, ...]:
    """The actions that a state allows."""
    return tuple(action for (origin, action) in _STEPS if origin == state)


def after(state: State, action: Action) -> State:
    """The state that an action leads to.

    Raises:
        StateError: the action is not possible from this state.
    """
    try:
        return _STEPS[state, action]
    except KeyError:
        possible = ", ".join(possible_actions(state)) or "nothing"
        raise StateError(
            f"cannot {action} an experiment that is {state}; possible: {possible}"
        ) from None

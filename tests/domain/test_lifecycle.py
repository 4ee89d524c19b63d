from __future__ import annotations

import pytest

from bandit_platform.domain.lifecycle import CONSEQUENCES, Action, State, after, possible_actions
from bandit_platform.errors import StateError

TABLE = {
    (State.DRAFT, Action.START): State.RUNNING,
    (State.DRAFT, Action.ARCHIVE): State.ARCHIVED,
    (State.RUNNING, Action.PAUSE): State.PAUSED,
    (State.RUNNING, Action.STOP): State.STOPPED,
    (State.PAUSED, Action.RESUME): State.RUNNING,
    (State.PAUSED, Action.STOP): State.STOPPED,
    (State.STOPPED, Action.ARCHIVE): State.ARCHIVED,
}


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("state", list(State))
def test_every_step_from_every_state(state: State, action: Action) -> None:
    if (state, action) in TABLE:
        assert after(state, action) is TABLE[state, action]
        assert action in possible_actions(state)
    else:
        assert action not in possible_actions(state)
        with pytest.raises(StateError, match=f"cannot {action} an experiment that is {state}"):
            after(state, action)


def test_a_refusal_names_what_is_possible() -> None:
    with pytest.raises(StateError, match="possible: resume, stop"):
        after(State.PAUSED, Action.START)
    with pytest.raises(StateError, match="possible: nothing"):
        after(State.ARCHIVED, Action.START)


def test_nothing_runs_again_once_it_stopped() -> None:
    reached = {State.STOPPED}
    for _ in State:
        reached |= {after(s, a) for s in reached for a in possible_actions(s)}
    assert reached == {State.STOPPED, State.ARCHIVED}


def test_every_action_says_what_it_means_for_shoppers() -> None:
    assert set(CONSEQUENCES) == set(Action)

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import pytest

from bandit_platform.errors import InputError, OutdatedError, StorageError
from bandit_platform.services.working.rounds import go_round, once_possible


class Pausing(Event):
    """An event that notes how long it was waited for, and ends everything after some waits."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._most = most

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        if len(self.waits) >= self._most:
            self.set()
        return self.is_set()


def raising(*errors: Exception | None) -> Callable[[], bool]:
    """A round that fails so, one after the other; None is a round that did nothing."""
    left = list(errors)

    def round_() -> bool:
        error = left.pop(0)
        if error is not None:
            raise error
        return False

    return round_


def test_no_error_ends_the_rounds_and_pauses_grow_until_one_succeeds(
    capfd: pytest.CaptureFixture[str],
) -> None:
    stop = Pausing(8)
    away = StorageError("away")
    go_round(
        raising(away, ValueError("odd"), away, away, away, away, None, OSError("again")), stop, 0.2
    )
    assert stop.waits == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 0.2, 0.5]
    told = "".join(capfd.readouterr())
    assert told.count("round failed") == 7
    assert "ValueError" in told


def test_a_busy_round_is_followed_at_once() -> None:
    stop = Pausing(1)
    rounds = iter([True, True, True, False])
    go_round(lambda: next(rounds), stop, 0.2)
    assert stop.waits == [0.2]


def test_what_cannot_begin_yet_is_tried_again() -> None:
    stop = Pausing(10)
    tries = iter([StorageError("away"), OSError("disk"), None])

    def make() -> str:
        error = next(tries)
        if error is not None:
            raise error
        return "made"

    assert once_possible(make, stop) == "made"
    assert stop.waits == [0.5, 1.0]


@pytest.mark.parametrize("error", [InputError("a bad address"), OutdatedError("migrate")])
def test_what_somebody_has_to_mend_ends_the_process(error: Exception) -> None:
    with pytest.raises(type(error)):
        once_possible(raising(error), Pausing(1))


def test_told_to_stop_nothing_is_made() -> None:
    stop = Pausing(2)
    away = StorageError("away")
    assert once_possible(raising(away, away, away), stop) is None

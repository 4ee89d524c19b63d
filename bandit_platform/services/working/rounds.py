"""Doing rounds of work until told to stop, whatever happens in one of them."""

from __future__ import annotations

import gc
from collections.abc import Callable
from threading import Event
from typing import TypeVar

import structlog

from bandit_platform.errors import InputError, OutdatedError, UnavailableError

_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 5.0
#: between two looks for garbage; Python counts to 700
_ALLOCATIONS = 10_000
_log = structlog.get_logger(__name__)
_T = TypeVar("_T")


class Pauses:
    """Growing pauses after trouble: half a second, doubled until five."""

    def __init__(self, stop: Event) -> None:
        self._stop = stop
        self._seconds = _FIRST_SECONDS

    def after(self, error: Exception, what: str) -> None:
        """Say what went wrong, and wait; longer each time."""
        if isinstance(error, UnavailableError):
            _log.warning(what, error=str(error), again_in=self._seconds)
        else:
            _log.error(what, exc_info=error, again_in=self._seconds)
        self._stop.wait(self._seconds)
        self._seconds = min(2 * self._seconds, _LONGEST_SECONDS)

    def reset(self) -> None:
        """Begin with the short pause again."""
        self._seconds = _FIRST_SECONDS


def once_possible(make: Callable[[], _T], stop: Event) -> _T | None:
    """What ``make`` gives, tried until it does; None when told to stop before.

    Raises:
        InputError: the settings cannot work, so trying again is no use.
        OutdatedError: somebody has to migrate the tables first.
    """
    pauses = Pauses(stop)
    while not stop.is_set():
        try:
            return make()
        except (InputError, OutdatedError):
            raise
        except Exception as error:  # noqa: BLE001 - a process that waits is better than one that is gone
            pauses.after(error, "cannot begin yet")
    return None


def spare_what_is_loaded() -> None:
    """Let the collector of garbage leave alone what a process has loaded by now.

    That stays as long as the process, and looking at all of it again and again takes a fifth of
    the time of reading rows. These come and go by the thousand, so it need not look so often.
    """
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)


def go_round(round_: Callable[[], bool], stop: Event, idle_seconds: float) -> None:
    """Do rounds until ``stop`` is set; trouble is logged and tried again after a pause.

    Args:
        round_: one round; whether it did anything, so that the next should follow at once.
        stop: ends the rounds.
        idle_seconds: pause after a round with nothing to do.
    """
    pauses = Pauses(stop)
    while not stop.is_set():
        try:
            busy = round_()
        except Exception as error:  # noqa: BLE001 - the work must go on whatever one round met
            pauses.after(error, "round failed")
            continue
        pauses.reset()
        if not busy:
            stop.wait(idle_seconds)

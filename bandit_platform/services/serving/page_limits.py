"""Limits on counted page traffic, by unit and by address, in the memory of a process.

Anyone can copy the key from a page and use it. Decisions above a limit are answered normally but
marked before the draw, so the mark does not depend on the arm. Marked decisions train no model and
are left out of every estimate.

How it works: a counting Bloom filter over a sliding window. Memory is fixed, so inventing units or
networks neither grows it nor evicts what was counted. What names share by collision is bounded,
because a name that is over its limit adds nothing, and units are only counted for addresses that
are under theirs. Python keys its hashes of text at random, so collisions cannot be aimed at.
"""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Callable
from functools import lru_cache

#: counters of one window, of four bytes each
_SLOTS = 1 << 18
_MASK = _SLOTS - 1
_WINDOW_SECONDS = 60.0
#: a /48 holds 65,536 networks that one customer may own, or a carrier's many customers
_WIDER = 4

Clock = Callable[[], float]


class RecentCounts:
    """How often each name was counted lately, in fixed memory.

    Args:
        window: seconds.
        clock: the time in seconds, from any moment on.
    """

    def __init__(self, window: float, clock: Clock = time.monotonic) -> None:
        self._window = window
        self._clock = clock
        self._ends = clock() + window
        self._now = array("I", bytes(4 * _SLOTS))
        self._before = array("I", self._now)

    def before_counts(self) -> float:
        """How much the window before still counts at this moment, 0 to 1."""
        left = (self._ends - self._clock()) / self._window
        return left if left > 0.0 else self._turn()

    def is_full(self, place: int, limit: float, before_counts: float) -> bool:
        """Whether one more would exceed a limit.

        Args:
            place: hash of the name.
            limit: so many in a window.
            before_counts: see :meth:`before_counts`.
        """
        one, other = place & _MASK, place >> 20 & _MASK
        now, before = self._now, self._before
        return (
            now[one] + before[one] * before_counts + 1.0 > limit
            and now[other] + before[other] * before_counts + 1.0 > limit
        )

    def count(self, place: int, number: int = 1) -> None:
        """Count one, or more, for the name with a hash."""
        now = self._now
        now[place & _MASK] += number
        now[place >> 20 & _MASK] += number

    def _turn(self) -> float:
        """Begin the next window; how much the one before still counts."""
        now = self._clock()
        if now >= self._ends:  # else another thread was faster
            fresh = array("I", bytes(4 * _SLOTS))
            if now < self._ends + self._window:
                self._before, self._now = self._now, fresh
                self._ends += self._window
            else:
                self._before, self._now = fresh, array("I", fresh)
                self._ends = now + self._window
        return (self._ends - now) / self._window


class PageLimits:
    """Tells page traffic above the limits, for each experiment on its own.

    Args:
        unit: decisions a minute that count for one unit; 0 for no limit.
        address: decisions a minute that count for one address (IPv6: one /64 network); a /48 gets
            four times as many. 0 for no limit.
        clock: the time in seconds.
    """

    def __init__(self, *, unit: int, address: int, clock: Clock = time.monotonic) -> None:
        self._counts = RecentCounts(_WINDOW_SECONDS, clock)
        self._unit = unit or math.inf
        self._address = address or math.inf

    def over(self, experiment: str, unit: str, address: str | None) -> bool:
        """Whether a request is over a limit; one that is not is counted."""
        counts = self._counts
        before = counts.before_counts()
        source = hash((experiment, address))
        if address is not None and counts.is_full(source, self._address, before):
            return True
        asker = hash((unit, experiment))
        if counts.is_full(asker, self._unit, before):
            return True
        if address is not None:
            if ":" in address:
                wider = hash((experiment, _wider(address)))
                if counts.is_full(wider, self._address * _WIDER, before):
                    return True
                counts.count(wider)
            counts.count(source)
        counts.count(asker)
        return False


@lru_cache(maxsize=4096)
def _wider(network: str) -> str:
    """The /48 that a /64 network belongs to."""
    groups = network.split("::", 1)[0].split(":")
    return ":".join([*groups, "0", "0", "0"][:3])

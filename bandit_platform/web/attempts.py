"""How often somebody may try to sign in: failures within a quarter of an hour, in memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

WINDOW_SECONDS = 900.0
#: failures with one name from one address
MOST_PER_NAME = 5
#: failures from one address
MOST_PER_ADDRESS = 30
_REMEMBERED = 10_000
_LONGEST_NAME = 64


class Attempts:
    """Failed attempts, by name and address and by address alone.

    An attempt counts as failed from its beginning, so that many at once are no way around.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: OrderedDict[tuple[str, ...], list[float]] = OrderedDict()
        self._lock = Lock()

    def begin(self, name: str, address: str) -> float:
        """Count an attempt.

        Returns:
            Seconds to wait before the next one is looked at; 0 when this one may go on.
        """
        name = name[:_LONGEST_NAME]
        limits = {(name, address): MOST_PER_NAME, (address,): MOST_PER_ADDRESS}
        with self._lock:
            now = self._clock()
            waits = [self._wait(key, most, now) for key, most in limits.items()]
            if max(waits) > 0:
                return max(waits)
            for key in limits:
                self._failed.setdefault(key, []).append(now)
                self._failed.move_to_end(key)
            while len(self._failed) > _REMEMBERED:
                self._failed.popitem(last=False)
            return 0.0

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures with a name from an address; this attempt was none."""
        with self._lock:
            self._failed.pop((name[:_LONGEST_NAME], address), None)
            of_address = self._failed.get((address,))
            if of_address:
                of_address.pop()

    def _wait(self, key: tuple[str, ...], most: int, now: float) -> float:
        recent = [at for at in self._failed.get(key, ()) if now - at < WINDOW_SECONDS]
        if key in self._failed:
            self._failed[key] = recent
        return recent[-most] + WINDOW_SECONDS - now if len(recent) >= most else 0.0

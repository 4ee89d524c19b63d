"""How often somebody may try to sign in: failures within a quarter of an hour, in the database.

So the limit holds for all processes together, and for all nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from bandit_platform.domain.keyed_hash import keyed_hash
from bandit_platform.storage.attempts import (
    attempts_of,
    begin_counting,
    forget_attempts,
    forget_newest_attempt,
    note_attempts,
)
from bandit_platform.storage.database import Database

WINDOW = timedelta(minutes=15)
#: failures with one name from one address
MOST_PER_NAME = 5
#: failures from one address
MOST_PER_ADDRESS = 30
_LONGEST_NAME = 64


class Attempts:
    """Failed attempts, by name and address and by address alone.

    An attempt counts as failed from its beginning, so that many at once are no way around.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime], secret: bytes) -> None:
        self._database = database
        self._clock = clock
        self._secret = secret

    def begin(self, name: str, address: str) -> float:
        """Count an attempt.

        Returns:
            Seconds to wait before the next one is looked at; 0 when this one may go on.
        """
        person, place = self._hashes(name, address)
        now = self._clock()
        with self._database.write() as connection:
            begin_counting(connection, now, WINDOW)
            waits = []
            for who, most in ((person, MOST_PER_NAME), (place, MOST_PER_ADDRESS)):
                recent = attempts_of(connection, who, most)
                waits.append(recent[-1] + WINDOW - now if len(recent) == most else timedelta())
            if max(waits) <= timedelta():
                note_attempts(connection, (person, place), now)
        return max(0.0, max(waits).total_seconds())

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures with a name from an address; this attempt was none."""
        person, place = self._hashes(name, address)
        with self._database.write() as connection:
            forget_attempts(connection, person)
            forget_newest_attempt(connection, place)

    def _hashes(self, name: str, address: str) -> tuple[str, str]:
        """What stands for a name at an address, and for the address."""
        parts = ((name[:_LONGEST_NAME], address), (address,))
        person, place = (keyed_hash(self._secret, b"sign-in", *each, size=16) for each in parts)
        return person.hex(), place.hex()

"""Decides when a value from requests gets a segment or counter of its own.

The number of segments and event type counters is limited, and each is assigned once. To keep forged
requests from taking them, a value gets one when a trusted request sends it, or when pages sent it
for enough units from enough networks. Decisions over a limit do not count. When too many values
wait, the one with the fewest networks is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2s
from typing import NamedTuple

ENOUGH_UNITS = 25
ENOUGH_ADDRESSES = 10
MOST_WAITING = 24
"""Values that wait at a time; each keeps at most ENOUGH_UNITS and ENOUGH_ADDRESSES short hashes."""


class Source(NamedTuple):
    """Whose word a value is."""

    #: came with a secret key
    trusted: bool
    over_limit: bool
    unit: str
    #: of the network; None where it is not known
    address: str | None


class _Supporters(NamedTuple):
    units: list[str]
    addresses: list[str]


class WaitingValues:
    """Values that have no place yet, the least recently named first."""

    def __init__(self, state: Iterable[tuple[str, list[str], list[str]]] = ()) -> None:
        self._waiting = {
            name: _Supporters(list(units), list(addresses)) for name, units, addresses in state
        }

    def state(self) -> list[tuple[str, list[str], list[str]]]:
        """Everything, as JSON can hold it; the constructor reads it back."""
        return [(name, each.units, each.addresses) for name, each in self._waiting.items()]

    def takes_place(self, name: str, source: Source) -> bool:
        """Note that a value was named; whether it takes a place now, and so waits no longer."""
        if source.trusted:
            self._waiting.pop(name, None)
            return True
        if source.over_limit:
            return False
        before = self._waiting.pop(name, None)
        if before is None and len(self._waiting) >= MOST_WAITING:
            self._drop_weakest()
        now = before or _Supporters([], [])
        _add(now.units, source.unit, ENOUGH_UNITS)
        _add(now.addresses, source.address or "", ENOUGH_ADDRESSES)
        if len(now.units) >= ENOUGH_UNITS and len(now.addresses) >= ENOUGH_ADDRESSES:
            return True
        self._waiting[name] = now
        return False

    def _drop_weakest(self) -> None:
        waiting = self._waiting
        weakest = min(waiting, key=lambda name: (len(waiting[name][1]), len(waiting[name][0])))
        del waiting[weakest]


class Shares:
    """How many values of a sample each unit and each network gave: none more than its share.

    So a full sample comes from at least ENOUGH_UNITS units and ENOUGH_ADDRESSES networks, as far as
    it does not come from trusted requests.
    """

    def __init__(self, sample: int, given: dict[str, int] | None = None) -> None:
        self._most_of_unit = max(sample // ENOUGH_UNITS, 1)
        self._most_of_address = max(sample // ENOUGH_ADDRESSES, 1)
        self._given = dict(given or {})

    def state(self) -> dict[str, int]:
        """The numbers by unit and network, as JSON can hold them."""
        return self._given

    def takes(self, source: Source) -> bool:
        """Whether a value of this source belongs to the sample; counts it if so."""
        if source.trusted:
            return True
        if source.over_limit:
            return False
        unit, address = f"u{short_hash(source.unit)}", f"a{short_hash(source.address or '')}"
        given = self._given
        if (
            given.get(unit, 0) >= self._most_of_unit
            or given.get(address, 0) >= self._most_of_address
        ):
            return False
        given[unit] = given.get(unit, 0) + 1
        given[address] = given.get(address, 0) + 1
        return True


def short_hash(text: str) -> str:
    """4 digits that tell a few dozen texts apart and lead back to none of them."""
    return blake2s(text.encode(), digest_size=2).hexdigest()


def _add(known: list[str], text: str, most: int) -> None:
    if len(known) < most:
        digits = short_hash(text)
        if digits not in known:
            known.append(digits)

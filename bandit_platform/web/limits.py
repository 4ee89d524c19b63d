"""How often one caller may ask: counts in the memory of each process.

Keys, which are few, have token buckets that fill at their rate and hold two seconds of it.
Addresses, of which a stranger can have any number, are counted over two seconds in fixed memory.
Nothing is shared between processes, so with several of them a caller gets up to so many times the
rate; the point is that nobody takes it all.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any

from bandit_platform.services.serving.page_limits import RecentCounts

_BURST_SECONDS = 2.0
_REMEMBERED = 10_000


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one process grants. A rate of 0 means no limit."""

    #: requests a second with one key
    key_rate: int = 5000
    #: refused requests a second from one address, which shows no valid key
    stranger_rate: int = 20
    #: requests a second with publishable keys from one address
    page_rate: int = 20
    #: proxies in front, each of which adds the address it was asked from to X-Forwarded-For
    proxies: int = 0


class Buckets:
    """A bucket for each name, for the names seen last."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._most = rate * _BURST_SECONDS
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> float:
        """Take a token.

        Returns:
            Seconds to wait for the next one; 0 when there was one.
        """
        if self._rate <= 0:
            return 0.0
        now = self._clock()
        level, since = self._levels.get(name, (self._most, now))
        level = min(self._most, level + (now - since) * self._rate)
        if level < 1.0:
            return (1.0 - level) / self._rate
        self._levels[name] = (level - 1.0, now)
        if len(self._levels) > _REMEMBERED:
            self._forget()
        return 0.0

    def _forget(self) -> None:
        """Drop the half of the names that stood in the table longest."""
        for name in list(self._levels)[: _REMEMBERED // 2]:
            self._levels.pop(name, None)


class AddressRates:
    """Requests from each address, of which two seconds' worth may come at once."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._counts = RecentCounts(_BURST_SECONDS, clock)

    def take(self, address: str) -> float:
        """Count a request, unless it is one too many; then the seconds to wait, else 0."""
        if self._rate <= 0:
            return 0.0
        counts, place = self._counts, hash(address)
        if counts.is_full(place, self._rate * _BURST_SECONDS, counts.before_counts()):
            return 1.0 / self._rate
        counts.count(place)
        return 0.0

    def wait(self, address: str) -> float:
        """Seconds to wait where no more may come now, else 0; counts nothing."""
        if self._rate <= 0:
            return 0.0
        counts = self._counts
        full = counts.is_full(hash(address), self._rate * _BURST_SECONDS, counts.before_counts())
        return _BURST_SECONDS if full else 0.0

    def count(self, address: str, number: int) -> None:
        """Count several at once, even where they are too many: what follows then waits."""
        if self._rate > 0:
            self._counts.count(hash(address), number)


def retry_after(seconds: float) -> str:
    """The value of the header Retry-After."""
    return str(max(1, math.ceil(seconds)))


def address_of(environ: Mapping[str, Any], proxies: int) -> str:
    """Whose request it is: an IPv4 address, or the network of an IPv6 address."""
    address = str(environ.get("REMOTE_ADDR") or "")
    if proxies > 0:
        hops = str(environ.get("HTTP_X_FORWARDED_FOR", "")).split(",")
        address = hops[-proxies].strip() if len(hops) >= proxies else address
    return _network(address)


def _without_port(address: str) -> str:
    """An address; some proxies write the caller's port behind it."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    try:
        parsed = ip_address(_without_port(address))
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:  # as a server that listens on :: tells them
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)

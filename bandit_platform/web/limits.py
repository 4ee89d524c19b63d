"""How often one caller may ask: token buckets in the memory of each process.

A bucket fills at its rate and holds two seconds of it. Nothing is shared between processes, so with
several of them a caller gets up to so many times the rate; the point is that nobody takes it all.
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

_BURST_SECONDS = 2.0
_REMEMBERED = 10_000


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one process grants. A rate of 0 means no limit."""

    #: requests a second with one key
    key_rate: int = 5000
    #: refused requests a second from one address, which shows no valid key
    stranger_rate: int = 20
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


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:  # as a server that listens on :: tells them
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)

"""Who sent a request: the API key that it showed and the network it came from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """The sender of a request to the decision service."""

    #: id of the API key; None inside the platform
    key_id: str | None
    #: whether the key is a secret one
    trusted: bool
    #: IPv4 address, or the /64 network of an IPv6 address; None inside the platform
    address: str | None


#: The platform itself: simulations in process, and code without HTTP.
INTERNAL = Caller(key_id=None, trusted=True, address=None)

"""Detects page requests that do not match the setting ``BANDIT_PLATFORM_PROXIES``.

Where it is wrong, all shoppers have the address of a proxy, so they share the limits of one address
and most of what they do is in no estimate. One request proves nothing, since any caller can write
``X-Forwarded-For``; most of the recent page requests do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

#: page requests that say something together
_ENOUGH = 20
#: at so many, half of them are forgotten
_MOST = 400
_log = structlog.get_logger(__name__)


class ProxyCheck:
    """Counts page requests, and those that proxies in front would have made otherwise.

    Args:
        proxies: as configured.
    """

    def __init__(self, proxies: int) -> None:
        self._proxies = proxies
        self._requests = 0.0
        self._unfit = 0.0
        self._is_logged = False

    def count(self, environ: Mapping[str, Any]) -> None:
        """Count a page request; the first time that most do not fit is logged."""
        self._requests += 1
        self._unfit += not self._fits(environ.get("HTTP_X_FORWARDED_FOR", ""))
        if self._requests >= _MOST:
            self._requests /= 2
            self._unfit /= 2
        if not self._is_logged and self._unfit > _ENOUGH / 2 and (warning := self.warning()):
            self._is_logged = True
            _log.warning("BANDIT_PLATFORM_PROXIES does not match page requests", detail=warning)

    def warning(self) -> str | None:
        """The warning for operators; None if most page requests match the setting."""
        if self._requests < _ENOUGH or self._unfit <= self._requests / 2:
            return None
        if self._proxies:
            return (
                f"most page requests have fewer than {self._proxies} addresses in X-Forwarded-For, "
                "so shoppers share the limits of one address; set BANDIT_PLATFORM_PROXIES to the "
                "number of proxies in front that append to this header"
            )
        return (
            "most page requests have the header X-Forwarded-For, and BANDIT_PLATFORM_PROXIES is 0; "
            "if a proxy is in front, all shoppers share the limits of its address, and decisions "
            "above them are left out of estimates; set it to the number of proxies"
        )

    def _fits(self, forwarded: str) -> bool:
        if not self._proxies:
            return not forwarded
        return bool(forwarded) and forwarded.count(",") + 1 >= self._proxies

"""One keep-alive connection that posts and reads JSON, for many requests in a row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A status with what the body said; an empty or unreadable body is an empty table."""

    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Whether the service took the request."""
        return 200 <= self.status < 300


class JsonConnection:
    """A connection to one service. Not for use by two threads at once."""

    def __init__(self, host: str, port: int, headers: Mapping[str, str] | None = None) -> None:
        self._http = HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        self._used = False

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Post a JSON body and read the answer.

        A kept-alive connection that the server has closed meanwhile is opened anew, once; every
        request the simulation sends may be repeated safely, because it carries its own key.

        Raises:
            OSError: the service cannot be reached.
            HTTPException: what came back is not HTTP.
        """
        data = b"" if body is None else json.dumps(body).encode()
        return self._request("POST", path, data)

    def get(self, path: str) -> Answer:
        """Read a JSON answer; raises as :meth:`post` does."""
        return self._request("GET", path, b"")

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _request(self, method: str, path: str, data: bytes) -> Answer:
        try:
            return self._once(method, path, data)
        except (ConnectionError, HTTPException):
            self._http.close()
            if not self._used:
                raise
            return self._once(method, path, data)
        except OSError:
            self._http.close()
            raise

    def _once(self, method: str, path: str, data: bytes) -> Answer:
        self._http.request(method, path, body=data, headers=self._headers)
        response = self._http.getresponse()
        text = response.read()
        self._used = True
        return Answer(status=response.status, body=_table(text))


def bearer(key: str) -> dict[str, str]:
    """The header that shows a key."""
    return {"Authorization": f"Bearer {key}"}


def _table(text: bytes) -> dict[str, Any]:
    try:
        body = json.loads(text) if text else {}
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}

"""Requests over connections that are kept, each within a time limit."""

from __future__ import annotations

import json
import os
import re
import select
import time
from collections import deque
from collections.abc import Set
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from numbers import Real
from socket import socket
from typing import Any
from urllib.parse import urlsplit

from bandit_platform.errors import InputError, UnavailableError

_KEPT = 16
_LONGEST_ANSWER = 4_000_000
_KEY = re.compile(r"[!-~]+")
_PROBLEM = "urn:bandit-platform:problem:"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer of the service."""

    status: int
    #: parsed JSON; None where there is none
    body: Any
    #: seconds to wait before trying again, where the service says so
    retry_after: float | None

    @property
    def is_refusal(self) -> bool:
        """Whether the service itself refused the request, and not something between."""
        type_ = self.body.get("type") if isinstance(self.body, dict) else None
        return 400 <= self.status < 500 and str(type_).startswith(_PROBLEM)

    @property
    def problem(self) -> str:
        """What the service says is wrong; it never repeats what was sent."""
        if self.status < 400:
            return f"status {self.status}: the answer is not from the decision service"
        body = self.body if isinstance(self.body, dict) else {}
        detail, errors = str(body.get("detail") or "no reason given"), body.get("errors")
        found = [
            ": ".join(str(each.get(name)) for name in ("path", "message") if each.get(name))
            for each in (errors if isinstance(errors, list) else ())
            if isinstance(each, dict)
        ]
        fields = "; ".join(each for each in found if each not in detail)
        return f"status {self.status}: {detail}" + (f" ({fields})" if fields else "")


class Connections:
    """Asks one service. Threads may share it. Redirects are answers; none is followed."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InputError("the address of the service must begin with http:// or https://")
        try:
            self._host, self._port = parts.hostname, parts.port
        except ValueError as error:
            raise InputError("the port of the service must be a number up to 65535") from error
        if not key or not _KEY.fullmatch(key):
            raise InputError("the key must be one word, without a line break or a space")
        self._secure = parts.scheme == "https"
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._idle: deque[HTTPConnection] = deque(maxlen=_KEPT)
        self._process = os.getpid()

    def post(self, path: str, body: Any, seconds: float) -> Reply:
        """Send JSON and wait for the answer, at most about ``seconds``.

        Raises:
            UnavailableError: there was no answer in time, or none that can be read.
        """
        data = None if body is None else as_json(body).encode()
        end = time.monotonic() + seconds
        connection = self._take(seconds)
        try:
            connection.request("POST", self._prefix + path, data, self._headers)
            if connection.sock is not None:
                connection.sock.settimeout(max(0.001, end - time.monotonic()))
            answer = connection.getresponse()
            text = answer.read(_LONGEST_ANSWER)
        except (OSError, HTTPException) as error:
            connection.close()
            raise UnavailableError(f"no answer: {type(error).__name__}") from error
        reply = Reply(
            status=answer.status,
            body=_parsed(text),
            retry_after=_seconds(answer.getheader("Retry-After")),
        )
        self._give_back(connection, closing=answer.will_close or not answer.isclosed())
        return reply

    def close(self) -> None:
        """Close what is kept open."""
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()

    def _take(self, seconds: float) -> HTTPConnection:
        """A connection that the service has not closed meanwhile, or a new one."""
        process = os.getpid()
        if process != self._process:  # forked: the parent goes on using those that are kept
            self.close()
            self._process = process
        with suppress(IndexError):
            while True:
                kept = self._idle.pop()
                if kept.sock is not None and not _is_readable(kept.sock):
                    kept.sock.settimeout(seconds)
                    return kept
                kept.close()
        kind = HTTPSConnection if self._secure else HTTPConnection
        return kind(self._host, self._port, timeout=seconds)

    def _give_back(self, connection: HTTPConnection, *, closing: bool) -> None:
        if closing or len(self._idle) >= _KEPT:
            connection.close()
        else:
            self._idle.append(connection)


def _is_readable(sock: socket) -> bool:
    """Whether an idle connection has something to read: its end, as nothing was asked."""
    if hasattr(select, "poll"):  # select() takes no descriptor of 1024 or above
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([sock], [], [], 0)[0])


def as_json(body: Any) -> str:
    """What is sent; decimals and other libraries' numbers are numbers like any other.

    Raises:
        ValueError: it cannot be written as JSON.
        TypeError: as above.
    """
    return json.dumps(body, allow_nan=False, default=_plain)


def _plain(value: Any) -> float | list[Any]:
    if isinstance(value, Set):
        return sorted(value)
    if isinstance(value, Decimal | Real):
        return float(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None

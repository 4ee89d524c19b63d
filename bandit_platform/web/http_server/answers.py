"""Converts a WSGI application's answer to bytes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import Any

import structlog

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
INTERNAL = "The error was recorded; nothing is known."
_BODILESS = ("1", "204", "304")
_log = structlog.get_logger(__name__)


class Answer:
    """Status, headers and body of an answer; callable as WSGI's ``start_response``."""

    __slots__ = ("body", "headers", "status")

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.body = b""

    def __call__(
        self, status: str, headers: list[tuple[str, str]], _error: Any = None
    ) -> Callable[[bytes], object]:
        """Take status and headers; return WSGI's ``write``."""
        self.status = status
        self.headers = headers
        return self._write

    def _write(self, data: bytes) -> None:
        self.body += data


def ask(app: Application, environ: dict[str, Any]) -> Answer:
    """The whole answer of an application; an error in it is logged and answered 500."""
    answer = Answer()
    try:
        made = app(environ, answer)
        try:
            answer.body += b"".join(made)
        finally:
            close = getattr(made, "close", None)
            if close is not None:
                close()
    except Exception:  # noqa: BLE001 - a caller gets an answer, whatever failed
        _log.exception("the application failed")
        return refusal("500 Internal Server Error", INTERNAL)
    return answer


def refusal(status: str, detail: str) -> Answer:
    """A problem that the application was not asked about."""
    number, _, title = status.partition(" ")
    answer = Answer()
    answer.status = status
    answer.headers = [("Content-Type", "application/problem+json"), ("Cache-Control", "no-store")]
    if number == "503":
        answer.headers.append(("Retry-After", "1"))
    problem = {"type": f"urn:bandit-platform:problem:http-{number}", "title": title}
    answer.body = json.dumps({**problem, "status": int(number), "detail": detail}).encode()
    return answer


def to_bytes(answer: Answer, method: str, connection: str | None) -> bytes:
    """An answer as it is sent.

    Args:
        answer: what is answered.
        method: of the request.
        connection: value of the header ``Connection``; None for none.
    """
    lines = [f"HTTP/1.1 {answer.status}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in answer.headers]
    bodiless = answer.status.startswith(_BODILESS)
    body = b"" if bodiless or method == "HEAD" else answer.body
    if not bodiless and not _has_length(answer.headers) and method != "HEAD":
        lines.append(f"Content-Length: {len(body)}\r\n")
    if connection is not None:
        lines.append(f"Connection: {connection}\r\n")
    lines.append(f"Date: {_date()}\r\n")
    head = "".join(lines)
    if head.count("\n") != len(lines) or head.count("\r") != len(lines):
        raise ValueError("a header has a line end in it")
    return f"{head}\r\n".encode("latin-1") + body


def _has_length(headers: list[tuple[str, str]]) -> bool:
    return any(name == "Content-Length" or name.lower() == "content-length" for name, _ in headers)


_shown = (0, "")


def _date() -> str:
    """The present second, as HTTP writes it."""
    global _shown  # noqa: PLW0603 - made once a second
    now = int(time.time())
    if _shown[0] != now:
        _shown = (now, formatdate(now, usegmt=True))
    return _shown[1]

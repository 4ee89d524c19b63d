"""Reads requests from bytes, strictly, and makes a WSGI environment of each (:pep:`3333`).

What could be read in two ways is refused, because a proxy in front may read it the other way
(request smuggling, RFC 9112 section 11.2): ``Content-Length`` with ``Transfer-Encoding``, line ends
without CR, folded lines, a missing, repeated or malformed ``Host``. llhttp finds most of them.
Header names with an underscore are ignored, since WSGI could not tell them from those with a dash.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url
from httptools.parser.errors import HttpParserInvalidURLError

from bandit_platform.web.reading import BODY

HEAD_BYTES = 32 * 1024
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+;=-]+)(:\d{0,5})?")
_MOST_NAMES = 200
#: header name → name in the environment; None is ignored
_NAMES: dict[bytes, str | None] = {}


class Refusal(Exception):  # noqa: N818 - it refuses a request; nothing of ours went wrong
    """A request that is not answered by the application."""

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Request:
    """A request that the application can answer.

    Attributes:
        environ: the WSGI environment, with the whole body.
        keep_alive: whether the caller wants to go on with the connection.
        is_http10: whether the caller speaks HTTP/1.0.
        is_cut: whether more of the body is to come, which nobody reads.
    """

    __slots__ = ("environ", "is_cut", "is_http10", "keep_alive")

    def __init__(
        self, environ: dict[str, Any], *, keep_alive: bool, is_http10: bool, is_cut: bool
    ) -> None:
        self.environ = environ
        self.keep_alive = keep_alive
        self.is_http10 = is_http10
        self.is_cut = is_cut


class _Enough(Exception):  # noqa: N818 - stops the parser
    """Nothing more is to be parsed."""


class RequestReader:
    """Makes requests of the bytes of one connection.

    Args:
        common: what the environments of all its requests hold.
        longest: bytes of a body that are kept at most; a function gives them for each path.

    Attributes:
        head: the environment of a request whose body has not arrived; None outside of one.
        started: whether a part of a request has arrived.
        wants_continue: whether the caller waits for ``100 Continue`` before it sends the body.
    """

    def __init__(self, common: dict[str, Any], longest: int | Callable[[str], int]) -> None:
        self._common = common
        self._longest_of = longest
        #: of the request whose head arrived last
        self._longest = 0
        self._parser = HttpRequestParser(self)
        self._done: list[Request | Refusal] = []
        self._refusal: Refusal | None = None
        self.head: dict[str, Any] | None = None
        self.started = False
        self.wants_continue = False
        self._begin()

    def _begin(self) -> None:
        self._reads_body_only = False
        self._environ: dict[str, Any] = self._common.copy()
        self._url = b""
        self._body: list[bytes] = []
        self._size = 0
        self._fed = 0
        self._head_size = 0

    def feed(self, data: bytes) -> list[Request | Refusal]:
        """The requests that are complete with these bytes; a refusal is the last there is."""
        self._done, rest = [], memoryview(data)
        while rest:
            self._fed += len(rest)
            try:
                self._parser.feed_data(rest)
                break
            except HttpParserUpgrade as upgrade:
                if self._environ["REQUEST_METHOD"] == "CONNECT":
                    self._finish(is_cut=True)
                    return self._done
                self._stay_with_http()
                rest = rest[upgrade.args[0] :]
            except HttpParserError as error:
                if isinstance(error.__context__, _Enough):
                    return self._done
                detail = f"The request is not valid HTTP: {error}."
                return [*self._done, self._refusal or Refusal("400 Bad Request", detail)]
        # with what surrounds the chunks of a body: of one byte each, at least 5 more
        if self.started and self._fed > HEAD_BYTES + (8 * self._longest if self.head else 0):
            return [*self._done, _too_large() if self.head is None else _badly_framed()]
        return self._done

    def _stay_with_http(self) -> None:
        """Answer a request for another protocol (HTTP/2, say) as if it had not asked for one.

        The parser leaves the body of such a request to that protocol; another one reads it, after
        a head that says where it ends.
        """
        environ = self._environ
        if "HTTP_TRANSFER_ENCODING" in environ:
            framing = "Transfer-Encoding: chunked"
        else:
            framing = f"Content-Length: {environ.get('CONTENT_LENGTH', '0')}"
        self._parser = HttpRequestParser(self)
        self._reads_body_only = True
        self._parser.feed_data(f"POST / HTTP/1.1\r\n{framing}\r\n\r\n".encode())

    # What the parser calls; their names are its own.

    def on_message_begin(self) -> None:
        """A request begins."""
        self.started = True

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        if self._reads_body_only:
            return
        self._url += url
        self._head_size += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. Those after the body (trailers) are ignored, as RFC 9110 6.5.1 allows.

        A proxy that adds ``X-Forwarded-For`` to the head says nothing of what comes in a trailer.
        """
        if self._reads_body_only or self.head is not None:
            return
        self._head_size += len(name) + len(value)
        known = _NAMES[name] if name in _NAMES else _name(name)
        if known is None:
            return
        environ, text = self._environ, value.decode("latin-1").strip(" \t")
        if known in environ:
            if known == "HTTP_HOST":
                self._refuse("The request has more than one Host header.")
            text = f"{environ[known]}{'; ' if known == 'HTTP_COOKIE' else ','}{text}"
        environ[known] = text

    def on_headers_complete(self) -> None:
        """Check the head."""
        if self._reads_body_only:
            return
        if self._head_size > HEAD_BYTES:
            self._refusal = _too_large()
            raise self._refusal
        environ = self._environ
        version = self._parser.get_http_version()
        environ["SERVER_PROTOCOL"] = f"HTTP/{version}"
        environ["REQUEST_METHOD"] = self._parser.get_method().decode("latin-1")
        self._check_host(environ, version)
        self._check_coding(environ, version)
        self._take_url(environ)
        self.head = environ
        limit = self._longest_of
        self._longest = limit if isinstance(limit, int) else limit(environ["PATH_INFO"])
        length = environ.get("CONTENT_LENGTH")
        if length is not None and int(length) > self._longest:
            self._finish(is_cut=True)
            raise _Enough
        expected = environ.get("HTTP_EXPECT", "") if version != "1.0" else ""
        self.wants_continue = expected.lower() == "100-continue"

    def on_body(self, data: bytes) -> None:
        """Take a part of the body."""
        self._size += len(data)
        self._body.append(data)
        if self._size > self._longest:
            self._finish(is_cut=True)
            raise _Enough

    def on_message_complete(self) -> None:
        """A request is complete."""
        if not self._parser.should_upgrade():
            self._finish(is_cut=False)

    def _finish(self, *, is_cut: bool) -> None:
        environ, body = self._environ, b"".join(self._body)[: self._longest]
        if body or not is_cut:
            environ[BODY] = body
        if "HTTP_TRANSFER_ENCODING" in environ:
            del environ["HTTP_TRANSFER_ENCODING"]
            environ["CONTENT_LENGTH"] = f"{len(body)}"
        environ["wsgi.input"] = BytesIO(body)
        self._done.append(
            Request(
                environ,
                keep_alive=not is_cut and self._parser.should_keep_alive(),
                is_http10=environ["SERVER_PROTOCOL"] == "HTTP/1.0",
                is_cut=is_cut,
            )
        )
        self.head = None
        self.started = self.wants_continue = False
        self._begin()

    def _check_host(self, environ: dict[str, Any], version: str) -> None:
        host = environ.get("HTTP_HOST")
        if host is None:
            if version != "1.0":
                self._refuse("The request has no Host header.")
        elif not _HOST.fullmatch(host):
            self._refuse("The Host header is not a host with an optional port.")

    def _check_coding(self, environ: dict[str, Any], version: str) -> None:
        coding = environ.get("HTTP_TRANSFER_ENCODING")
        if coding is None:
            return
        if version == "1.0":
            self._refuse("HTTP/1.0 has no Transfer-Encoding.")
        if coding.lower() != "chunked":
            self._refuse("The only supported Transfer-Encoding is chunked.", "501 Not Implemented")

    def _take_url(self, environ: dict[str, Any]) -> None:
        url = self._url
        if not url.startswith(b"/"):  # asked as of a proxy, or OPTIONS *
            try:
                parts = parse_url(url)
            except HttpParserInvalidURLError:
                parts = None
            path = (parts.path if parts else url) or b"/"
            url = path + (b"?" + parts.query if parts and parts.query else b"")
        path, _, query = url.partition(b"?")
        if b"%" in path:
            path = unquote_to_bytes(path)
        environ["PATH_INFO"] = path.decode("latin-1")
        environ["QUERY_STRING"] = query.decode("latin-1")

    def _refuse(self, detail: str, status: str = "400 Bad Request") -> None:
        self._refusal = Refusal(status, detail)
        raise self._refusal


def _too_large() -> Refusal:
    detail = f"The head of the request is longer than {HEAD_BYTES} bytes."
    return Refusal("431 Request Header Fields Too Large", detail)


def _badly_framed() -> Refusal:
    detail = "The body has too much overhead: very small chunks, chunk extensions or trailers."
    return Refusal("400 Bad Request", detail)


def _name(name: bytes) -> str | None:
    """A header's name in the environment, remembered for the names seen first."""
    text = name.decode("latin-1").upper()
    known: str | None = text.replace("-", "_")
    if "_" in text:
        known = None
    elif known not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
        known = f"HTTP_{known}"
    if len(_NAMES) < _MOST_NAMES:
        _NAMES[name] = known
    return known

"""Requests are read strictly: what two servers could read in two ways is refused."""

from __future__ import annotations

from typing import Any

import pytest

from bandit_platform.web.http_server.requests import (
    HEAD_BYTES,
    Refusal,
    Request,
    RequestReader,
)
from bandit_platform.web.reading import BODY

LONGEST = 10
HOST = b"Host: shop.example\r\n"
CHUNKED = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


def read(data: bytes, *, step: int = 1 << 20) -> list[Any]:
    """What a reader makes of these bytes, sent in steps; nothing is read after a refusal."""
    reader, found = RequestReader({"REMOTE_ADDR": "1.2.3.4"}, LONGEST), []
    for start in range(0, len(data), step):
        found += reader.feed(data[start : start + step])
        if found and isinstance(found[-1], Refusal):
            break
    return found


POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
REFUSED = {
    "both lengths": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, the other way": POST + b"Transfer-Encoding: chunked\r\n"
    b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a list of lengths": POST + b"Content-Length: 1, 1\r\n\r\na",
    "a signed length": POST + b"Content-Length: +1\r\n\r\na",
    "an endless length": POST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "two codings": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "another coding": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "a coding in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "LF everywhere": b"GET / HTTP/1.1\nHost: x\n\n",
    "LF after a header": b"GET / HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n",
    "LF at the end": b"GET / HTTP/1.1\r\nHost: x\r\n\n",
    "LF in a chunk": CHUNKED + b"1\na\n0\n\n",
    "CR in a header": b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b\rc\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "an empty host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "two hosts in one": b"GET / HTTP/1.1\r\nHost: x,y\r\n\r\n",
    "a path as host": b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "two hosts in HTTP/1.0": b"GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "a folded line": b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("step", [1 << 20, 1])
@pytest.mark.parametrize("name", REFUSED)
def test_what_could_be_read_in_two_ways_is_refused(name: str, step: int) -> None:
    (refusal,) = read(REFUSED[name], step=step)
    assert isinstance(refusal, Refusal)
    assert refusal.status.startswith(("400 ", "501 "))
    assert refusal.detail.endswith(".")


@pytest.mark.parametrize("step", [1 << 20, 7, 1])
def test_a_request_is_the_same_however_it_is_cut(step: int) -> None:
    data = (
        b"POST /v1/a%2Fb%C3%BC?x=1&y=%20 HTTP/1.1\r\n"
        + HOST
        + b"Content-Type: application/json\r\n"
        b"Content-Length: 4\r\nX-Forwarded-For: 1.1.1.1\r\nX_Forwarded_For: 6.6.6.6\r\n"
        b"X-Forwarded-For:  2.2.2.2 \r\nCookie: a=1\r\nCookie: b=2\r\n\r\nbody"
    )
    (request,) = read(data, step=step)
    environ = request.environ
    assert environ.pop("wsgi.input").read() == b"body"
    assert environ == {
        "REMOTE_ADDR": "1.2.3.4",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/v1/a/b\xc3\xbc",
        "QUERY_STRING": "x=1&y=%20",
        "HTTP_HOST": "shop.example",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": "4",
        "HTTP_X_FORWARDED_FOR": "1.1.1.1,2.2.2.2",
        "HTTP_COOKIE": "a=1; b=2",
        BODY: b"body",
    }
    assert (request.keep_alive, request.is_http10, request.is_cut) == (True, False, False)


@pytest.mark.parametrize("step", [1 << 20, 3])
def test_chunks_become_one_body_with_a_length(step: int) -> None:
    (request,) = read(CHUNKED + b"2;x=y\r\nab\r\n3\r\ncde\r\n0\r\nTrailer: x\r\n\r\n", step=step)
    assert request.environ[BODY] == b"abcde"
    assert request.environ["CONTENT_LENGTH"] == "5"
    assert "HTTP_TRANSFER_ENCODING" not in request.environ


@pytest.mark.parametrize("step", [1 << 20, 3])
@pytest.mark.parametrize(
    "trailer", [b"X-Forwarded-For: 6.6.6.6", b"Idempotency-Key: k", b"Host: y", b"X-New: x"]
)
def test_trailers_are_no_headers(trailer: bytes, step: int) -> None:
    """A proxy adds to the head alone, so a trailer could claim another address."""
    head = CHUNKED.replace(HOST, HOST + b"X-Forwarded-For: 1.1.1.1\r\n")
    (request,) = read(head + b"1\r\na\r\n0\r\n" + trailer + b"\r\n\r\n", step=step)
    assert request.environ[BODY] == b"a"
    assert request.environ["HTTP_X_FORWARDED_FOR"] == "1.1.1.1"
    assert request.environ["HTTP_HOST"] == "shop.example"
    assert request.environ.keys().isdisjoint({"HTTP_IDEMPOTENCY_KEY", "HTTP_X_NEW"})


@pytest.mark.parametrize(
    "framing",
    [
        b"0\r\n" + b"A: b\r\n" * 10_000,
        b"0\r\nA: " + b"b" * 40_000,
        b"1;" + b"a" * 40_000,
        b"0\r\n" + b"".join(b"A%d: b\r\n" % number for number in range(10_000)),
    ],
    ids=["trailers", "a trailer", "a chunk extension", "trailers of all names"],
)
@pytest.mark.parametrize("upgrade", [b"", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"])
def test_what_surrounds_a_body_is_limited(framing: bytes, upgrade: bytes) -> None:
    head = CHUNKED.replace(HOST, HOST + upgrade)
    (refusal,) = read(head + framing, step=1000)
    assert refusal.status.startswith("400 ")


def test_a_body_in_chunks_of_one_byte_is_read() -> None:
    longest = 10_000
    reader = RequestReader({}, longest)
    (request,) = reader.feed(CHUNKED + b"1\r\na\r\n" * longest + b"0\r\n\r\n")
    assert isinstance(request, Request)
    assert len(request.environ[BODY]) == longest
    reader, found = RequestReader({}, longest), []
    for _ in range(longest):
        found += reader.feed(CHUNKED if not reader.started else b"1\r\na\r\n")
    (request,) = [*found, *reader.feed(b"1\r\na\r\n0\r\n\r\n")]
    assert isinstance(request, Request)
    assert len(request.environ[BODY]) == longest


def test_thousands_of_requests_for_another_protocol_are_read() -> None:
    one = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    found = read(one * 3000)
    assert len(found) == 3000
    assert all(isinstance(each, Request) for each in found)


@pytest.mark.parametrize("step", [1 << 20, 1])
def test_a_body_over_the_limit_is_not_read_to_its_end(step: int) -> None:
    told = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 11\r\n\r\n"
    (request,) = read(told, step=step)  # nothing of the body has arrived
    assert (request.is_cut, request.keep_alive, BODY in request.environ) == (True, False, False)
    found = read(CHUNKED + b"b\r\n12345678901\r\n", step=step)
    assert (found[0].is_cut, found[0].environ[BODY]) == (True, b"1234567890")
    (exact,) = read(CHUNKED + b"a\r\n1234567890\r\n0\r\n\r\n", step=step)
    assert not exact.is_cut


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"GET http://shop.example/ HTTP/1.1\r\nHost: shop.example:8080\r\n\r\n", True),
        (b"GET http://[::1]:8080 HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", True),
        (b"\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", True),
    ],
)
def test_whether_a_connection_is_kept(head: bytes, keeps: bool) -> None:
    (request,) = read(head)
    assert isinstance(request, Request)
    assert (request.keep_alive, request.environ["PATH_INFO"]) == (keeps, "/")


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"", b""),
        (b"Content-Length: 0\r\n", b""),
        (b"Content-Length: 4\r\n", b"body"),
        (b"Transfer-Encoding: chunked\r\n", b"body"),
    ],
)
@pytest.mark.parametrize("step", [1 << 20, 1])
def test_another_protocol_is_not_begun(framing: bytes, body: bytes, step: int) -> None:
    """Java's client asks for HTTP/2 with its first request."""
    upgrade = (
        POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA\r\n"
    )
    sent = b"4\r\nbody\r\n0\r\n\r\n" if framing.startswith(b"T") else body
    first = upgrade + framing + b"\r\n" + sent
    found = read(first + b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n", step=step)
    assert [each.environ[BODY] for each in found] == [body, b""]
    assert [each.environ["PATH_INFO"] for each in found] == ["/", "/next"]
    assert found[0].environ["HTTP_UPGRADE"] == "h2c"


def test_no_tunnel_is_made() -> None:
    (request,) = read(b"CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\nGET /")
    assert (request.keep_alive, request.environ["REQUEST_METHOD"]) == (False, "CONNECT")


def test_requests_that_came_before_one_that_is_refused_are_answered() -> None:
    good = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    first, second, refusal = read(good + good + REFUSED["two hosts"])
    assert isinstance(first, Request)
    assert isinstance(second, Request)
    assert isinstance(refusal, Refusal)


@pytest.mark.parametrize("step", [1 << 20, 1000])
@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * HEAD_BYTES + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"a" * HEAD_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * HEAD_BYTES,
    ],
)
def test_a_head_over_the_limit_is_refused(head: bytes, step: int) -> None:
    (refusal,) = read(head, step=step)
    assert refusal.status.startswith("431 ")


def test_one_who_waits_to_send_a_body_is_known() -> None:
    reader = RequestReader({}, LONGEST)
    head = POST + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    assert reader.feed(head) == []
    assert reader.wants_continue
    assert reader.head is not None
    (request,) = reader.feed(b"body")
    assert isinstance(request, Request)
    assert request.environ[BODY] == b"body"
    assert (reader.wants_continue, reader.head, reader.started) == (False, None, False)

"""Services for a client to ask: they listen on a port, and answer as they are told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "checkout-offers"
Script = Callable[[str, Any], tuple[int, Any, dict[str, str]]]


@contextmanager
def listening(server: Any) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def scripted(answer: Script) -> Iterator[str]:
    """A service that answers as it is told."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, found, headers = answer(self.path, json.loads(body) if body else None)
            data = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass

    with listening(Server(("127.0.0.1", 0), Handler)) as url:
        yield url


def accepted(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"events": [{"event_id": i["event_id"], "status": "accepted"} for i in items]}


def refusal(status: int, detail: str = "no") -> tuple[int, Any, dict[str, str]]:
    """A refusal as the service writes it."""
    type_ = "urn:bandit-platform:problem:invalid-body"
    return status, {"type": type_, "status": status, "detail": detail}, {}

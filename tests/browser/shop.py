"""A shop and a decision service for tests in a browser: the service is real and can be troubled."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from bandit_platform.bootstrap import Platform, Serving, build, build_serving
from bandit_platform.domain.lifecycle import Action
from bandit_platform.settings import Settings
from bandit_platform.web.apps import create_decision_app
from bandit_platform.web.limits import Limits
from tests.support.databases import place_database

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
REQUIRED = os.environ.get("BANDIT_PLATFORM_REQUIRE_BROWSER") == "1"
needs_chromium = pytest.mark.skipif(
    not REQUIRED and not (CHROMIUM.exists() and find_spec("playwright")),
    reason=f"there is no {CHROMIUM} or no Playwright; "
    "install both, or set BANDIT_PLATFORM_REQUIRE_BROWSER=1",
)

EXPERIMENT = "checkout-offers"
CONTEXT = {"cart_value": 80.0, "country": "GB"}
#: what a shop's own script begins with, as README shows it
STUB = """
if (typeof window.offers !== 'function' || !(window.offers.q || window.offers.version)) {
  const stub = window.offers = function () {
    const call = arguments, begun = Date.now();
    return new Promise(resolve => {
      stub.q.push([call, resolve, begun]);
      const wait = (call[2] || 0).timeout || 300;
      setTimeout(resolve, wait, {arm: 'nothing', offer: null, reason: 'unavailable'});
    });
  };
  stub.q = [];
}
"""


class _Quiet(WSGIRequestHandler):
    """Says nothing of requests."""

    def log_request(self, *_: object) -> None:
        pass


@contextmanager
def listening(app: Any, port: int = 0) -> Iterator[str]:
    """The address at which a WSGI application answers; without a port a free one."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - may be missing

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Service:
    """The real application on the shop's port, behind somebody who can spoil its answers."""

    platform: Platform
    serving: Serving
    app: Any
    settings: Settings
    #: part of an address → what to do with requests there: a status, "slow", "garbage", "deaf"
    #: (done, but answered 500), the body of an answer, or a status, a body and headers
    trouble: dict[str, Any] = field(default_factory=dict)
    #: (method and path, body) of every request
    received: list[tuple[str, Any]] = field(default_factory=list)
    #: slow requests go on when this is set
    released: threading.Event = field(default_factory=threading.Event)
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        request = Request(environ)
        body = request.get_data()
        self.received.append((f"{request.method} {request.path}", _parsed(body)))
        trouble = next((what for part, what in self.trouble.items() if part in request.path), None)
        headers = {"Access-Control-Allow-Origin": "*"}
        if trouble == "slow":
            self.released.wait(5)
        elif trouble == "garbage":
            return Response("<html>}{", headers=headers)(environ, start)
        elif isinstance(trouble, int):
            return Response("no", trouble, headers)(environ, start)
        elif isinstance(trouble, tuple):
            status, text, more = trouble
            return Response(text, status, {**headers, **more})(environ, start)
        elif isinstance(trouble, dict):
            return Response(json.dumps(trouble), headers=headers)(environ, start)
        inner = Request(environ)
        inner.environ["wsgi.input"] = BytesIO(body)
        with self.one_at_a_time:  # as the platform's own server does
            answer = Response.from_app(self.app, inner.environ)
        if trouble == "deaf":
            return Response("gone", 500, headers)(environ, start)
        return answer(environ, start)

    def asked(self, part: str) -> list[Any]:
        """Bodies of requests to addresses that hold a text."""
        return [body for path, body in list(self.received) if part in path]

    def journal(self, kind: str) -> list[dict[str, Any]]:
        """Records of one kind that were acknowledged."""
        lines = [
            json.loads(line)
            for path in sorted(self.settings.journal_dir.glob("*.jsonl"))
            for line in path.read_text().splitlines()
        ]
        return [line for line in lines if line["k"] == kind]

    def key_for(self, *origins: str) -> str:
        """A publishable key for pages of these origins."""
        issued = self.platform.keys.create(role=None, origins=origins)
        self.serving.registry.refresh()
        return issued.text


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


@contextmanager
def service(folder: Path, spec: Any) -> Iterator[Service]:
    """A service with one running experiment."""
    settings = Settings(data_dir=place_database(folder), refresh_seconds=3600)
    platform = build(settings)
    platform.apply_experiment(spec)
    platform.change_state(spec.key, Action.START)
    serving = build_serving(settings)
    made = Service(platform, serving, create_decision_app(serving, Limits(page_rate=0)), settings)
    yield made
    made.released.set()
    serving.registry.close()
    serving.upkeep.close()
    serving.journal.close()
    platform.database.close()


class Shop:
    """Pages by path; every answer may have headers of its own."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[str, str, dict[str, str]]] = {}

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        found = self.pages.get(environ["PATH_INFO"])
        if found is None:
            return Response("", 204 if "favicon" in environ["PATH_INFO"] else 404)(environ, start)
        text, kind, headers = found
        return Response(text, headers=headers, content_type=kind)(environ, start)

    def page(self, path: str, body: str, **headers: str) -> None:
        """Put a page up."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        head = '<meta charset="utf-8"><link rel="icon" href="data:,"><title>Shop</title>'
        text = f'<!doctype html><html lang="en">{head}{body}'
        self.pages[path] = (text, "text/html; charset=utf-8", named)

    def script(self, path: str, text: str) -> None:
        """Put a script up."""
        self.pages[path] = (text, "text/javascript; charset=utf-8", {})


def decide(page: Any, **question: Any) -> Any:
    """Lets a page ask, with patience."""
    asked = {"context": CONTEXT, "timeout": 3000, **question}
    return page.evaluate("([e, q]) => offers('decide', e, q)", [EXPERIMENT, asked])


def wait_for(page: Any, condition: Callable[[], object]) -> None:
    """Lets a page go on until something holds."""
    for _ in range(200):
        if condition():
            return
        page.wait_for_timeout(20)
    raise AssertionError

"""Errors as pages where people look; programs get problem documents, as everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import structlog
from flask import Flask, Response, g, render_template, request
from werkzeug.exceptions import HTTPException

from bandit_platform.errors import BanditPlatformError
from bandit_platform.logs import REQUEST_ID, SeldomLog
from bandit_platform.web.console.frame import in_templates, with_headers
from bandit_platform.web.page_gate import PageGate
from bandit_platform.web.problems import PROBLEMS
from bandit_platform.web.viewer import STRANGER, viewer

_seldom = SeldomLog(structlog.get_logger(__name__))
_PAGE = "text/html"
#: what answers can be; among what a caller likes equally, the first
_KINDS = ("application/problem+json", "application/json", _PAGE)
_KEPT = ("Allow", "Retry-After")
#: status → heading, and what it means; of others, the sentence that programs are told
_WORDS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        404: (
            "There is no page at this address",
            "The address may be cut short or mistyped, or the page has moved.",
        ),
        405: (
            "This address only takes what a form sends",
            "It was probably opened from the history or a bookmark. Nothing was changed.",
        ),
        413: (
            "That is more than the console takes",
            "Nothing was changed. Shorten what was typed or pasted, and send it again.",
        ),
        500: (
            "Something went wrong in the console",
            "The mistake is ours, and it was recorded. Look again whether what you did was saved.",
        ),
    }
)

Answer = Callable[[Exception], Response | HTTPException]


def register_error_pages(app: Flask) -> None:
    """Let people see errors in the console's frame, with its menus if they are signed in."""
    for kind, answer in PROBLEMS.items():
        app.register_error_handler(kind, _page_in_place_of(answer))


def _page_in_place_of(answer: Answer) -> Answer:
    def handle(error: Exception) -> Response | HTTPException:
        found = answer(error)
        if isinstance(found, HTTPException):
            return found
        shown = _page(found) if _is_for_people() else found
        shown.vary.add("Accept")
        return shown

    return handle


def _is_for_people() -> bool:
    """Whether somebody looks at it: at a page, with what prefers pages to data."""
    preferred = request.accept_mimetypes.best_match(_KINDS)
    return preferred == _PAGE and request.path != "/v1" and PageGate().is_page()


def _page(problem: Response) -> Response:
    told = problem.get_json(force=True)
    heading, meaning = _WORDS.get(problem.status_code, (told["title"], told["detail"]))
    _know_viewer()
    text = render_template(
        "dashboards/refused_error.html",
        heading=heading,
        meaning=meaning,
        status=problem.status_code,
        request_id=REQUEST_ID.get() if problem.status_code >= 500 else None,
        **in_templates(),
    )
    page = Response(text, problem.status_code, content_type="text/html; charset=utf-8")
    for name in _KEPT:
        if name in problem.headers:
            page.headers[name] = problem.headers[name]
    return with_headers(page)


def _know_viewer() -> None:
    """Whoever asks is nobody while what knows people is away."""
    try:
        viewer()
    except BanditPlatformError as error:
        _seldom.error("unavailable", type(error).__name__, error=str(error))
        g.viewer = STRANGER

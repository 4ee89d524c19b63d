"""Errors as RFC 9457 problem details, in one place; nothing a caller sent is repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import structlog
from flask import Flask, Response, g, json, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from bandit_platform.domain.spec_file import format_path
from bandit_platform.errors import (
    BanditPlatformError,
    ConflictError,
    ContextError,
    InputError,
    NotFoundError,
    Problem,
    QuestionError,
    SpecError,
    UnavailableError,
)
from bandit_platform.logs import SeldomLog, where_raised

_seldom = SeldomLog(structlog.get_logger(__name__))
_CONTEXT = (
    "has a key longer than 64 characters, or a value that is not true, false, a finite number or "
    "text of at most 256 characters"
)
_URN = "urn:bandit-platform:problem:"
_HTTP_NAMES = {
    400: "malformed",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
}


def problem(
    status: int,
    name: str,
    title: str,
    detail: str,
    errors: Sequence[Problem] = (),
) -> Response:
    """A problem+json response."""
    body: dict[str, Any] = {
        "type": _URN + name,
        "title": title,
        "status": status,
        "detail": detail,
    }
    if errors:
        body["errors"] = [{"path": each.path, "message": each.message} for each in errors]
    response = Response(json.dumps(body), status, content_type="application/problem+json")
    if status in {429, 503}:
        response.headers["Retry-After"] = "1"
    return response


def register_problems(app: Flask) -> None:
    """Turn every error of an app into a problem response."""
    for kind, answer in PROBLEMS.items():
        app.register_error_handler(kind, answer)


def _invalid(error: Exception) -> Response:
    details = (
        error.errors(include_url=False, include_input=False)
        if isinstance(error, ValidationError)
        else []
    )
    if any(detail["type"] == "json_invalid" for detail in details):
        return problem(400, "malformed", "Malformed JSON", "The body is not valid JSON.")
    parts = list(dict.fromkeys(_part(detail) for detail in details))
    return problem(
        422, "invalid-body", "Invalid body", "The body does not have the documented form.", parts
    )


def _part(detail: Any) -> Problem:
    location = list(detail["loc"])
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        return Problem(path=format_path(location[:-1]), message="has an unknown field")
    if len(location) > 1 and location[0] == "context":  # what follows is the caller's own text
        return Problem(path="context", message=_CONTEXT)
    return Problem(path=format_path(location), message=message)


def _known(error: Exception) -> Response:
    if isinstance(error, UnavailableError):
        _seldom.error("unavailable", type(error).__name__, error=str(error))
        return problem(503, "unavailable", "Unavailable", "Nothing was changed; try again shortly.")
    for kind, (status, name, title) in _KINDS.items():
        if isinstance(error, kind):
            parts = error.problems if isinstance(error, _WITH_PARTS) else ()
            return problem(status, name, title, f"{error}", parts)
    return _unexpected(error)


_WITH_PARTS = (ContextError, QuestionError, SpecError)
_KINDS: dict[type[BanditPlatformError], tuple[int, str, str]] = {
    ContextError: (422, "invalid-context", "Invalid context"),
    SpecError: (422, "invalid-experiment", "Invalid experiment"),
    QuestionError: (422, "invalid-question", "Invalid question"),
    InputError: (422, "invalid-input", "Invalid input"),
    NotFoundError: (404, "not-found", "Not found"),
    ConflictError: (409, "conflict", "Conflict"),
}


def _http(error: Exception) -> Response | HTTPException:
    if not isinstance(error, HTTPException) or error.code is None or error.code < 400:
        return error if isinstance(error, HTTPException) else _unexpected(error)
    name = _HTTP_NAMES.get(error.code, f"http-{error.code}")
    detail = _HTTP_DETAILS.get(error.code, error.name)
    if error.code == 413:
        longest = g.get("longest_body", request.max_content_length)
        detail = f"The body is longer than the limit of {longest} bytes."
    response = problem(error.code, name, error.name, detail)
    if error.code == 405:
        response.headers["Allow"] = ", ".join(getattr(error, "valid_methods", None) or ())
    return response


_HTTP_DETAILS = {
    400: "The request could not be read.",
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    415: "Send the body as application/json.",
}


def _unexpected(error: Exception) -> Response:
    _seldom.error("unexpected error", where_raised(error), exc_info=error)
    return problem(500, "internal", "Internal error", "The error was recorded; nothing is known.")


#: kind of error → what it is answered with
PROBLEMS: Mapping[type[Exception], Callable[[Exception], Response | HTTPException]] = (
    MappingProxyType(
        {
            ValidationError: _invalid,
            BanditPlatformError: _known,
            HTTPException: _http,
            Exception: _unexpected,
        }
    )
)

"""Reading request bodies: limits first, then strict JSON."""

from __future__ import annotations

from codecs import BOM_UTF8
from io import BytesIO
from typing import Any, TypeVar

from flask import g, request
from pydantic import BaseModel
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

Body = TypeVar("Body", bound=BaseModel)

#: where a whole body lies that was read before the application was entered
BODY = "bandit_platform.body"
#: set in the environment of requests that arrive while the process is about to end
DRAINING = "bandit_platform.draining"


def read_body(model: type[Body], limit: int, *, text: bool = False) -> Body:
    """The request's body as a model.

    Args:
        model: what the body must be.
        limit: bytes at most.
        text: accept ``text/plain`` too, which browsers can send when a page closes.

    Raises:
        RequestEntityTooLarge: more bytes than the limit.
        UnsupportedMediaType: not JSON.
        pydantic.ValidationError: not the documented form.
    """
    return model.model_validate_json(body_bytes(limit, text=text))


def whole_body(environ: dict[str, Any], longest: int) -> bytes | None:
    """A request's body, read at most once; None where it is longer than it tells, or too long.

    Args:
        environ: the request; afterwards its body can be read again.
        longest: bytes that are read at most.
    """
    known: bytes | None = environ.get(BODY)
    if known is None:
        length = environ.get("CONTENT_LENGTH") or ""
        if not length.isdecimal() or int(length) > longest:
            return None
        known = environ[BODY] = environ["wsgi.input"].read(int(length))
        environ["wsgi.input"] = BytesIO(known)
    return known


def body_bytes(limit: int, *, text: bool = False) -> bytes:
    """The request's body, if it is JSON and not too long; arguments and errors as read_body."""
    environ = request.environ
    g.longest_body = limit  # which a refusal names
    if environ.get("CONTENT_TYPE") != "application/json":
        kind = request.mimetype
        if kind != "application/json" and not (text and kind == "text/plain"):
            raise UnsupportedMediaType
    data: bytes | None = environ.get(BODY)
    if data is None:
        request.max_content_length = limit + 1  # one that does not tell its length is cut there
        data = request.get_data()
    if len(data) > limit:
        raise RequestEntityTooLarge
    return data.removeprefix(BOM_UTF8)  # which some editors write before a text

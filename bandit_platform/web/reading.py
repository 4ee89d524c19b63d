"""Reading request bodies: limits first, then strict JSON."""

from __future__ import annotations

from typing import TypeVar

from flask import request
from pydantic import BaseModel
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

Body = TypeVar("Body", bound=BaseModel)


def read_body(model: type[Body], limit: int, *, text: bool = False) -> Body:
    """The request's body as a model.

    Args:
        model: what the body must be.
        limit: bytes at most.
        text: accept ``text/plain`` too, which pages send without being asked first.

    Raises:
        RequestEntityTooLarge: more bytes than the limit.
        UnsupportedMediaType: not JSON.
        pydantic.ValidationError: not the documented form.
    """
    request.max_content_length = limit + 1  # a body that does not tell its length is cut there
    kind = request.mimetype
    if kind != "application/json" and not (text and kind == "text/plain"):
        raise UnsupportedMediaType
    data = request.get_data()
    if len(data) > limit:
        raise RequestEntityTooLarge
    return model.model_validate_json(data)

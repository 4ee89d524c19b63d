"""Refusing the character that PostgreSQL's texts cannot hold, before anything is looked up by it.

The database would refuse it too, but in words that mean: it is away, try again.
"""

from __future__ import annotations

from flask import request
from werkzeug.exceptions import BadRequest, NotFound

_NUL = "\0"


def refuse_nul() -> None:
    """Look at a request's path, query and form.

    Raises:
        NotFound: nothing is called so.
        BadRequest: no field can be filled in so.
    """
    if _NUL in request.path:
        raise NotFound
    if b"%00" in request.query_string and _holds_nul(request.args.to_dict(flat=False)):
        raise BadRequest
    if request.method == "POST" and _holds_nul(request.form.to_dict(flat=False)):
        raise BadRequest


def _holds_nul(fields: dict[str, list[str]]) -> bool:
    return any(_NUL in text for name, texts in fields.items() for text in (name, *texts))

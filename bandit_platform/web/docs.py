"""``/docs``: the API to read and to try, from files of this package and under a strict policy."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

_FOLDER = Path(__file__).parent / "docs_page"
_TYPES = {"page.html": "text/html", "docs.js": "text/javascript", "docs.css": "text/css"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def docs_blueprint() -> Blueprint:
    """The page and its two files."""
    docs = Blueprint("docs", __name__)

    @docs.get("/docs")
    def page() -> Response:
        return _file("page.html")

    @docs.get("/docs/<name>")
    def file(name: str) -> Response:
        if name not in _TYPES:
            raise NotFound
        return _file(name)

    return docs


def _file(name: str) -> Response:
    content = (_FOLDER / name).read_bytes()
    response = Response(content, content_type=f"{_TYPES[name]}; charset=utf-8")
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Cache-Control"] = "no-cache"
    return response

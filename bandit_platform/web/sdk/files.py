"""``/sdk/v1/offers.js`` and its types: open to every page and kept for a while."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from bandit_platform import __version__

_FOLDER = Path(__file__).parent
_TYPES = {"offers.js": "text/javascript", "offers.d.ts": "text/plain"}
_KEPT_SECONDS = 300
#: empty lines, lines that hold nothing but a comment, and indentation; no text spans lines
_LEFT_OUT = re.compile(r"^[ \t]*(//.*)?\n|^[ \t]+", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class _File:
    content: bytes
    packed: bytes
    digest: str
    kind: str


def sdk_blueprint() -> Blueprint:
    """The two files, read and packed once."""
    sdk = Blueprint("sdk", __name__)
    files = {name: _file(name, kind) for name, kind in _TYPES.items()}

    @sdk.get("/sdk/v1/<name>")
    def file(name: str) -> Response:
        if name not in files:
            raise NotFound
        return _answer(files[name])

    return sdk


def served_script() -> str:
    """The script as it is served: with the version, without comments and indentation."""
    first, _, rest = (_FOLDER / "offers.js").read_text().partition("\n")
    return f"{first}\n{_LEFT_OUT.sub('', rest)}".replace("VERSION", __version__)


def _file(name: str, kind: str) -> _File:
    text = served_script() if name == "offers.js" else (_FOLDER / name).read_text()
    content = text.encode()
    return _File(
        content=content,
        packed=gzip.compress(content, 9, mtime=0),
        digest=sha256(content).hexdigest()[:16],
        kind=kind,
    )


def _answer(file: _File) -> Response:
    packed = request.accept_encodings.quality("gzip") > 0
    response = Response(
        file.packed if packed else file.content, content_type=f"{file.kind}; charset=utf-8"
    )
    if packed:
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    response.set_etag(f"{file.digest}-gzip" if packed else file.digest)
    response.cache_control.public = True
    response.cache_control.max_age = _KEPT_SECONDS
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.make_conditional(request)
    return response

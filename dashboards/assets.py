"""Static files by name, each under an address that changes with its content."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from dashboards.charts import palette

FOLDER = Path(__file__).parent
TEMPLATES = FOLDER / "templates"

_TYPES = {
    "dashboard.css": "text/css; charset=utf-8",
    "colours.css": "text/css; charset=utf-8",
    "decisions.css": "text/css; charset=utf-8",
    "comparisons.css": "text/css; charset=utf-8",
    "forms.css": "text/css; charset=utf-8",
    "questions.css": "text/css; charset=utf-8",
    "questions.js": "text/javascript; charset=utf-8",
    "downloads.js": "text/javascript; charset=utf-8",
    "setup.css": "text/css; charset=utf-8",
    "setup.js": "text/javascript; charset=utf-8",
    "dashboard.js": "text/javascript; charset=utf-8",
    "plotly.min.js": "text/javascript; charset=utf-8",
    "favicon.svg": "image/svg+xml",
}


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A static file, read once."""

    content: bytes
    media_type: str
    #: first characters of the SHA-256 of its content
    digest: str


@cache
def asset(name: str) -> Asset:
    """The static file of that name.

    Raises:
        KeyError: there is no such file.
    """
    media_type = _TYPES[name]
    content = _read(name)
    return Asset(
        content=content,
        media_type=media_type,
        digest=hashlib.sha256(content).hexdigest()[:16],
    )


@cache
def compressed(name: str) -> bytes:
    """The static file of that name under gzip."""
    return gzip.compress(asset(name).content, compresslevel=6, mtime=0)


@cache
def plotly_style_ids() -> tuple[str, ...]:
    """Ids of the style elements that Plotly adds for its maps unless they are there already.

    Our content security policy refuses inline styles, and no page draws a map: an empty element
    of the same id keeps Plotly from trying.
    """
    script = asset("plotly.min.js").content
    found = re.findall(rb'getElementById\("([0-9a-f]{64})"\)', script)
    return tuple(dict.fromkeys(name.decode() for name in found))


def _read(name: str) -> bytes:
    if name == "colours.css":
        return palette.css().encode()
    if name == "plotly.min.js":
        return files("plotly").joinpath("package_data", name).read_bytes()
    return (FOLDER / "static" / name).read_bytes()

"""What all pages share: headers, static files, menus and the page for what does not exist."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from flask import Blueprint, Response, g, render_template, request, url_for
from werkzeug.exceptions import NotFound

from bandit_platform.errors import NotFoundError, UnavailableError
from bandit_platform.logs import SeldomLog
from bandit_platform.web.console.navigation import experiment_menu, main_menu, may_open
from bandit_platform.web.sessions import csrf_field
from bandit_platform.web.viewer import STRANGER, viewer
from dashboards.assets import TEMPLATES, asset, compressed, plotly_style_ids
from dashboards.charts.embedding import dark_colours_json

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_seldom = SeldomLog(structlog.get_logger(__name__))
_YEAR = 31_536_000


def page_blueprint(name: str, import_name: str, url_prefix: str | None = None) -> Blueprint:
    """A blueprint whose views are pages: the frame's headers, menus and error page are set."""
    pages = Blueprint(name, import_name, template_folder=str(TEMPLATES), url_prefix=url_prefix)
    pages.register_error_handler(NotFoundError, _unknown)
    pages.register_error_handler(UnavailableError, _away)
    pages.context_processor(in_templates)
    pages.add_app_template_global(csrf_field, "csrf_field")
    pages.after_request(with_headers)
    return pages


def static_file(name: str) -> Response:
    """A static file, packed where the browser takes it so."""
    try:
        found = asset(name)
    except KeyError:
        raise NotFound from None
    packed = request.accept_encodings.quality("gzip") > 0
    content = compressed(name) if packed else found.content
    response = Response(content, content_type=found.media_type)
    if packed:
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    response.set_etag(f"{found.digest}-gzip" if packed else found.digest)
    if request.args.get("v") == found.digest:
        response.cache_control.public = True
        response.cache_control.max_age = _YEAR
        response.cache_control.immutable = True
    else:
        response.cache_control.no_cache = True
    response.make_conditional(request)
    return response


def in_templates() -> dict[str, Callable[..., object]]:
    """What every template may call."""
    return {
        "static": _address,
        "dark_colours": dark_colours_json,
        "plotly_style_ids": plotly_style_ids,
        "viewer": viewer,
        "main_menu": main_menu,
        "experiment_menu": experiment_menu,
        "may_open": may_open,
    }


def _address(name: str) -> str:
    """The address of a static file; it changes when the file does."""
    return url_for("console.static_file", name=name, v=asset(name).digest)


def _unknown(error: Exception) -> tuple[str, int]:
    key = (request.view_args or {}).get("key", "")
    return render_template("dashboards/unknown.html", key=key, error=error), 404


def _away(error: Exception) -> tuple[str, int, dict[str, str]]:
    """Something behind the page is away, perhaps even what knows who asks."""
    _seldom.error("unavailable", type(error).__name__, error=str(error))
    g.viewer = STRANGER
    return render_template("dashboards/refused_away.html"), 503, {"Retry-After": "5"}


def with_headers(response: Response) -> Response:
    """The headers of pages, on an answer that may have some of its own."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def told(error: Exception) -> str:
    """An error as a sentence on a page; names within it keep their letters."""
    text = f"{error}"
    return f"{text[:1].upper()}{text[1:]}."

"""The pages people look at: the list of experiments, one experiment, their static files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.exceptions import NotFound

from bandit_platform.errors import NotFoundError
from bandit_platform.services.report_records import ExperimentReport
from dashboards.assets import TEMPLATES, asset, compressed, plotly_style_ids
from dashboards.embedding import dark_colours_json
from dashboards.glossary import TERMS
from dashboards.guidance import first_experiment
from dashboards.overview import experiment_lines
from dashboards.page import experiment_page

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_YEAR = 31_536_000


def console_blueprint(
    list_experiments: Callable[[], Sequence[ExperimentReport]],
    report: Callable[[str], ExperimentReport],
    *,
    reward_window: Callable[[str], timedelta | None] = lambda _: None,
    service_url: str = "http://127.0.0.1:8080",
) -> Blueprint:
    """The pages over two services.

    Args:
        list_experiments: a report for each experiment, in the order to show them.
        report: the report on one experiment; raises NotFoundError for an unknown key.
        reward_window: an experiment's reward window, to say when its first decision matures.
        service_url: where the shop asks for decisions; it appears in commands only.
    """
    pages = Blueprint("console", __name__, template_folder=str(TEMPLATES))

    @pages.get("/")
    def experiments() -> str:
        lines = experiment_lines(list_experiments())
        return render_template(
            "dashboards/experiments.html", lines=lines, guidance=first_experiment()
        )

    @pages.get("/experiments/<key>")
    def experiment(key: str) -> str:
        page = experiment_page(
            report(key), service_url=service_url.rstrip("/"), window=reward_window(key)
        )
        return render_template("dashboards/experiment.html", page=page, terms=TERMS)

    pages.add_url_rule("/static/<name>", "static_file", _static_file, methods=["GET"])
    pages.register_error_handler(NotFoundError, _unknown)
    pages.context_processor(_in_templates)
    pages.after_request(_with_headers)
    return pages


def _static_file(name: str) -> Response:
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


def _in_templates() -> dict[str, Callable[..., object]]:
    return {
        "static": _address,
        "dark_colours": dark_colours_json,
        "plotly_style_ids": plotly_style_ids,
    }


def _address(name: str) -> str:
    """The address of a static file; it changes when the file does."""
    return url_for("console.static_file", name=name, v=asset(name).digest)


def _unknown(error: Exception) -> tuple[str, int]:
    key = (request.view_args or {}).get("key", "")
    return render_template("dashboards/unknown.html", key=key, error=error), 404


def _with_headers(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response

"""What both applications have in common."""

from __future__ import annotations

from apiflask import APIFlask

from bandit_platform import __version__
from bandit_platform.settings import Settings
from bandit_platform.web.docs import docs_blueprint
from bandit_platform.web.limits import Limits
from bandit_platform.web.meter import Meter
from bandit_platform.web.observed import Observed
from bandit_platform.web.openapi import complete_document
from bandit_platform.web.plain_app import PlainApp
from bandit_platform.web.problems import register_problems


def limits_of(settings: Settings) -> Limits:
    """How often callers may ask."""
    return Limits(
        key_rate=settings.key_rate,
        stranger_rate=settings.stranger_rate,
        page_rate=settings.page_rate,
        proxies=settings.proxies,
    )


def bare_app(title: str, meter: Meter, longest: int) -> APIFlask:
    """An application with documentation, problem answers and counts, and nothing to ask yet.

    Args:
        title: what its document is called.
        meter: counts its answers.
        longest: bytes of the longest body that any of its addresses takes.
    """
    app = PlainApp(
        "bandit_platform",
        title=title,
        version=__version__,
        docs_path=None,
        static_folder=None,  # type: ignore[arg-type] # Flask means: none
    )
    app.config["MAX_CONTENT_LENGTH"] = longest
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.spec_processor(complete_document)
    app.register_blueprint(docs_blueprint())
    register_problems(app)
    app.wsgi_app = Observed(app.wsgi_app, meter)  # type: ignore[method-assign, assignment]
    return app

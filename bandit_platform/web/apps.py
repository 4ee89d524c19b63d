"""The two applications: decisions for shops, console for the team. Each made by a function."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import cast

import structlog
from apiflask import APIFlask

from bandit_platform import __version__
from bandit_platform.bootstrap import Platform, Serving, build, build_serving
from bandit_platform.errors import BanditPlatformError, NotFoundError
from bandit_platform.parent import end_with_parent
from bandit_platform.services.readiness import Readiness, serving_readiness, worker_warnings
from bandit_platform.services.upkeep import Upkeep, UpkeepWatch
from bandit_platform.settings import Settings, load_settings
from bandit_platform.web.auth import protect
from bandit_platform.web.console.downloads import downloads_blueprint
from bandit_platform.web.console.decisions import decision_pages_blueprint
from bandit_platform.web.console.overview import console_blueprint
from bandit_platform.web.console.policies import policies_blueprint
from bandit_platform.web.console.questions import questions_blueprint
from bandit_platform.web.console.segments import segments_blueprint
from bandit_platform.web.console.settings import settings_blueprint
from bandit_platform.web.console.setup import setup_blueprint
from bandit_platform.web.console.sign_in import sign_in_blueprint
from bandit_platform.web.decisions_api import EVENTS_BYTES, decisions_blueprint
from bandit_platform.web.docs import docs_blueprint
from bandit_platform.web.experiments_api import experiments_blueprint
from bandit_platform.web.health import health_blueprint
from bandit_platform.web.limits import Limits
from bandit_platform.web.meter import Meter
from bandit_platform.web.observed import Observed
from bandit_platform.web.openapi import complete_document
from bandit_platform.web.plain_app import PlainApp
from bandit_platform.web.problems import register_problems
from bandit_platform.web.questions_api import questions_api
from bandit_platform.web.sdk.files import sdk_blueprint
from bandit_platform.web.sessions import install_sessions
from bandit_platform.web.whole_bodies import WholeBodies

_LIMITS = Limits()
_log = structlog.get_logger(__name__)


def create_decision_app(serving: Serving, limits: Limits = _LIMITS) -> APIFlask:
    """The application on the shop's port; it exposes no administration."""
    meter = Meter()
    app = _bare_app("bandit-platform decisions", meter)
    keys = serving.registry.keys
    protect(app, lambda text: keys.find(text, serving.clock()), keys.origins, limits)
    app.register_blueprint(decisions_blueprint(serving.decider, serving.recorder, meter))
    app.register_blueprint(sdk_blueprint())
    app.register_blueprint(
        health_blueprint(
            lambda: serving_readiness(serving.registry, serving.journal, serving.upkeep.look()),
            meter,
            lambda: replace(
                serving.upkeep.look(),
                damaged=serving.registry.damaged,
                unread=len(serving.registry.unread),
            ),
        )
    )
    return app


def create_console_app(
    platform: Platform, settings: Settings, limits: Limits = _LIMITS
) -> APIFlask:
    """The application on the console's port; it decides nothing."""
    meter = Meter()
    watch = UpkeepWatch(platform.database, settings.journal_dir, platform.clock)
    app = _bare_app("bandit-platform console", meter)
    install_sessions(
        app,
        user_of=platform.sign_in.user_of,
        secret=platform.cookie_secret(),
        https=settings.console_address.startswith("https:"),
        proxies=settings.proxies,
    )
    protect(app, platform.keys.find, frozenset, limits)
    app.register_blueprint(experiments_blueprint(platform))
    app.register_blueprint(decision_pages_blueprint(platform))
    app.register_blueprint(questions_api(platform))
    app.register_blueprint(questions_blueprint(platform))
    app.register_blueprint(downloads_blueprint(platform.report))
    app.register_blueprint(policies_blueprint(platform.whole_report))
    app.register_blueprint(segments_blueprint(platform.whole_report))
    app.register_blueprint(sign_in_blueprint(platform, proxies=settings.proxies))
    app.register_blueprint(settings_blueprint(platform, settings.console_address))
    service_url = f"http://{settings.host}:{settings.port}"
    app.register_blueprint(setup_blueprint(platform, service_url))
    app.register_blueprint(
        health_blueprint(
            lambda: _console_readiness(platform, watch), meter, lambda: _fresh_look(watch)
        )
    )
    app.register_blueprint(
        console_blueprint(
            platform.reports,
            platform.report,
            reward_window=lambda key: _window(platform, key),
            service_url=service_url,
        )
    )
    return app


def serve_app() -> APIFlask:
    """The decision application of this process, from its environment."""
    end_with_parent()
    settings = load_settings()
    app = create_decision_app(build_serving(settings), _limits(settings))
    observed = cast("Observed", app.wsgi_app)
    whole = WholeBodies(observed, longest=EVENTS_BYTES + 1, threads=settings.threads)
    app.wsgi_app = whole  # type: ignore[method-assign, assignment]
    return app


def console_app() -> APIFlask:
    """The console application of this process, from its environment."""
    end_with_parent()
    settings = load_settings()
    return create_console_app(build(settings), settings, _limits(settings))


def _limits(settings: Settings) -> Limits:
    return Limits(
        key_rate=settings.key_rate,
        stranger_rate=settings.stranger_rate,
        proxies=settings.proxies,
    )


def _bare_app(title: str, meter: Meter) -> APIFlask:
    app = PlainApp(
        "bandit_platform",
        title=title,
        version=__version__,
        docs_path=None,
        static_folder=None,  # type: ignore[arg-type] # Flask means: none
    )
    app.config["MAX_CONTENT_LENGTH"] = EVENTS_BYTES + 1  # see read_body
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.spec_processor(complete_document)
    app.register_blueprint(docs_blueprint())
    register_problems(app)
    app.wsgi_app = Observed(app.wsgi_app, meter)  # type: ignore[method-assign, assignment]
    return app


def _fresh_look(watch: UpkeepWatch) -> Upkeep:
    watch.refresh()
    return watch.look()


def _console_readiness(platform: Platform, watch: UpkeepWatch) -> Readiness:
    try:
        platform.experiments.all()
    except BanditPlatformError as error:  # where and what the database is, is for the log
        _log.error("not ready", error=str(error))
        return Readiness(why="the database does not answer")
    return Readiness(warnings=worker_warnings(_fresh_look(watch)))


def _window(platform: Platform, key: str) -> timedelta | None:
    try:
        return platform.experiments.get(key).spec.reward.window
    except NotFoundError:
        return None

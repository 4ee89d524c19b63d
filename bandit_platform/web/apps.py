"""The console for the team; the application for shops is made in :mod:`.decision_app`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from apiflask import APIFlask

from bandit_platform.bootstrap import Platform, build_console
from bandit_platform.domain.origin import own_origins
from bandit_platform.errors import NotFoundError
from bandit_platform.parent import end_with_parent
from bandit_platform.services.serving.upkeep import Upkeep, UpkeepWatch
from bandit_platform.settings import Settings, load_settings
from bandit_platform.web.auth import Gate, admitted_rank, protect
from bandit_platform.web.bare_app import bare_app, limits_of
from bandit_platform.web.console.decisions import decision_pages_blueprint
from bandit_platform.web.console.deployments import deployments_blueprint
from bandit_platform.web.console.downloads import downloads_blueprint
from bandit_platform.web.console.error_pages import register_error_pages
from bandit_platform.web.console.history import history_blueprint
from bandit_platform.web.console.overview import console_blueprint
from bandit_platform.web.console.policies import policies_blueprint
from bandit_platform.web.console.quality import quality_blueprint
from bandit_platform.web.console.questions import questions_blueprint
from bandit_platform.web.console.segments import segments_blueprint
from bandit_platform.web.console.settings import settings_blueprint
from bandit_platform.web.console.setup import setup_blueprint
from bandit_platform.web.console.setup_form import LARGEST
from bandit_platform.web.console.sign_in import sign_in_blueprint
from bandit_platform.web.console_readiness import ConsoleReadiness
from bandit_platform.web.decision_app import create_decision_app
from bandit_platform.web.deployments_api import deployments_api
from bandit_platform.web.experiments_api import experiments_blueprint
from bandit_platform.web.health import health_blueprint
from bandit_platform.web.http_server.server import Hosted
from bandit_platform.web.limits import Limits
from bandit_platform.web.meter import Meter
from bandit_platform.web.no_nul import refuse_nul
from bandit_platform.web.questions_api import questions_api
from bandit_platform.web.sessions import install_sessions, session_shown

__all__ = ["create_console_app", "create_decision_app", "hosted_app"]

_LIMITS = Limits()
#: bytes of a body on the console's port; a hundred arms with large offers fit
MANAGEMENT_BYTES = 1024 * 1024


def create_console_app(
    platform: Platform, settings: Settings, limits: Limits = _LIMITS
) -> APIFlask:
    """The application on the console's port; it decides nothing."""
    meter = Meter()
    watch = UpkeepWatch(platform.database, settings.journal_dir, platform.clock)
    app = bare_app("bandit-platform console", meter, MANAGEMENT_BYTES)
    install_sessions(
        app,
        user_of=platform.sign_in.user_of,
        secret=platform.cookie_secret(),
        https=settings.console_address.startswith("https:"),
        proxies=settings.proxies,
    )
    app.before_request(refuse_nul)
    own = own_origins(settings.console_address)
    protect(app, Gate(platform.keys.find, limits, own), frozenset)
    register_error_pages(app)
    app.register_blueprint(experiments_blueprint(platform))
    app.register_blueprint(decision_pages_blueprint(platform))
    app.register_blueprint(quality_blueprint(platform, lambda: _fresh_look(watch)))
    app.register_blueprint(deployments_api(platform))
    app.register_blueprint(questions_api(platform))
    app.register_blueprint(questions_blueprint(platform))
    app.register_blueprint(downloads_blueprint(platform.report, platform.whole_report))
    app.register_blueprint(policies_blueprint(platform.whole_report))
    app.register_blueprint(segments_blueprint(platform.whole_report))
    app.register_blueprint(sign_in_blueprint(platform, proxies=settings.proxies))
    app.register_blueprint(settings_blueprint(platform, settings.console_address))
    service_url = settings.service_address
    app.register_blueprint(setup_blueprint(platform, service_url, settings.shop_url))
    app.register_blueprint(deployments_blueprint(platform))
    app.register_blueprint(history_blueprint(platform))
    app.register_blueprint(
        health_blueprint(
            ConsoleReadiness(platform.database, watch), meter, lambda: _fresh_look(watch)
        )
    )
    app.register_blueprint(
        console_blueprint(
            platform.reports,
            platform.report,
            reward_window=lambda key: _window(platform, key),
            service_url=service_url,
            archived=lambda: platform.reports(archived=True),
            per_day=platform.decisions_per_day,
            states=platform.experiments.states,
        )
    )
    return app


def hosted_app() -> Hosted:
    """The console application of this process under our own server, from its environment."""
    end_with_parent()
    settings = load_settings()
    app = create_console_app(build_console(settings), settings, limits_of(settings))
    shown = session_shown(app)

    def rank(environ: Mapping[str, Any]) -> int:
        return 2 if shown(environ) else admitted_rank(environ)

    return Hosted(app=app.wsgi_app, longest=LARGEST, rank=rank, threads=settings.threads)


def _fresh_look(watch: UpkeepWatch) -> Upkeep:
    watch.refresh()
    return watch.look()


def _window(platform: Platform, key: str) -> timedelta | None:
    try:
        return platform.experiments.get(key).spec.reward.window
    except NotFoundError:
        return None

"""The application for shops, made by a function; no console page can keep it from starting."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from apiflask import APIFlask

from bandit_platform.domain.origin import own_origins
from bandit_platform.parent import end_with_parent
from bandit_platform.services.serving.readiness import serving_readiness
from bandit_platform.serving import Serving, build_serving
from bandit_platform.settings import Settings, load_settings
from bandit_platform.web.auth import Gate, protect
from bandit_platform.web.bare_app import bare_app, limits_of
from bandit_platform.web.body_buffer import BodyBuffer
from bandit_platform.web.decisions_api import decisions_blueprint
from bandit_platform.web.health import health_blueprint
from bandit_platform.web.http_server.server import Hosted
from bandit_platform.web.limits import Limits
from bandit_platform.web.meter import Meter
from bandit_platform.web.observed import Application, Observed
from bandit_platform.web.sdk.files import sdk_blueprint
from bandit_platform.web.shedding import Shedding
from bandit_platform.web.shop import EVENTS_BYTES, Shop
from bandit_platform.web.short_way import ShortWay

_LIMITS = Limits()


def create_decision_app(
    serving: Serving, limits: Limits = _LIMITS, own: frozenset[str] = frozenset()
) -> APIFlask:
    """The application on the shop's port; it exposes no administration.

    Args:
        serving: what decides and records.
        limits: how often callers may ask.
        own: the origins of its own pages, from the configured address.
    """
    return _made(serving, limits, own)[0]


def _made(serving: Serving, limits: Limits, own: frozenset[str]) -> tuple[APIFlask, Gate, Shop]:
    meter = Meter()
    app = bare_app("bandit-platform decisions", meter, EVENTS_BYTES + 1)
    keys = serving.registry.keys
    gate = Gate(lambda text: keys.find(text, serving.clock()), limits, own)
    shop = Shop(serving.decider, serving.recorder, meter)
    protect(app, gate, keys.origins)
    app.register_blueprint(decisions_blueprint(shop, gate))
    app.register_blueprint(sdk_blueprint())
    app.register_blueprint(
        health_blueprint(
            lambda: serving_readiness(
                serving.registry,
                serving.journal,
                serving.upkeep.look(),
                gate.proxy_check.warning(),
            ),
            meter,
            lambda: replace(
                serving.upkeep.look(),
                damaged=serving.registry.damaged,
                unread=len(serving.registry.unread),
            ),
        )
    )
    observed = cast("Observed", app.wsgi_app)
    observed.inner = ShortWay(observed.inner, gate, shop)
    return app, gate, shop


def serve_app() -> APIFlask:
    """The decision application of this process under another server, from its environment."""
    app, _, shop = _from_environment(load_settings())
    buffered = BodyBuffer(app.wsgi_app, shop.longest_body)
    app.wsgi_app = buffered  # type: ignore[method-assign, assignment]
    return app


def hosted_app() -> Hosted:
    """The decision application of this process under our own server, from its environment."""
    end_with_parent()
    settings = load_settings()
    app, gate, shop = _from_environment(settings)
    observed = cast("Observed", app.wsgi_app)
    served: Application = observed
    if settings.wait_seconds > 0:
        shedding = Shedding(observed, observed.around, longest=settings.wait_seconds)
        shedding.keep_watch(settings.host, settings.port)
        served = shedding
    return Hosted(app=served, longest=shop.longest_body, rank=gate.rank)


def _from_environment(settings: Settings) -> tuple[APIFlask, Gate, Shop]:
    serving, own = build_serving(settings), own_origins(settings.service_address)
    return _made(serving, limits_of(settings), own)

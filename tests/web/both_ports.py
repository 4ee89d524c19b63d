"""Both applications over one database, as a browser or a shop's server would meet them."""

from __future__ import annotations

from typing import Any

from bandit_platform.bootstrap import Platform, Serving, build, build_serving
from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.origin import own_origins
from bandit_platform.settings import Settings
from bandit_platform.web.apps import create_console_app, create_decision_app
from bandit_platform.web.limits import Limits

SHOP = "https://shop.example"
CONTEXT = {"cart_value": 80.0, "country": "GB", "returning": True}


class Site:
    """Both applications over one database, with a key of every kind."""

    def __init__(self, settings: Settings, spec: Any, clock: Any) -> None:
        self.clock = clock
        self.settings = settings
        self.platform: Platform = build(settings, clock)
        self.platform.apply_experiment(spec)
        self.platform.change_state(spec.key, Action.START)
        keys = self.platform.keys
        self.keys: dict[str, str | None] = {
            role.value: keys.create(role=role).text for role in Role
        }
        self.keys["publishable"] = keys.create(role=None, origins=[SHOP]).text
        self.keys["none"] = None
        self.keys["garbage"] = "sk_0000000000000000_" + "A" * 43
        self.serving: Serving = build_serving(settings, clock)
        limits = Limits(stranger_rate=0)  # tests knock at every door within a second
        self.shop = create_decision_app(self.serving, limits, own_origins(settings.service_address))
        self.console = create_console_app(self.platform, settings, limits)

    def decide(self, key: str | None, unit: str = "u", **headers: str) -> Any:
        return self.shop.test_client().post(
            "/v1/experiments/checkout-offers/decisions",
            json={"unit_id": unit, "context": CONTEXT},
            headers=shown(key) | headers,
        )


def shown(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Authorization": f"Bearer {key}"}

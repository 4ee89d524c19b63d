"""Signing test clients and browsers in to a console, as people with any role.

client = signed_in(app, platform, Role.ANALYST)      # a Flask test client with a session
answer = client.get("/experiments/checkout-offers")
answer = client.post("/settings/keys", data={…})     # sends the secret of forms by itself

page.goto(url + sign_in_path(platform, Role.ADMIN))  # a browser; add ?next=/settings
"""

from __future__ import annotations

import re
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from bandit_platform.bootstrap import Platform
from bandit_platform.domain.access import Role
from bandit_platform.services.people.users import Purpose

_FIELD = re.compile(r'name="csrf_token" value="([^"]+)"')


def sign_in_path(platform: Platform, role: Role, name: str | None = None) -> str:
    """A one-time path that signs a browser in; the user is made if there is none of the name.

    Args:
        platform: of the console.
        role: what the user may do.
        name: of the user; the role's by default.
    """
    name = name or role.value
    if name not in {user.name for user in platform.users.all()}:
        platform.users.create(name, role)
    return platform.users.link(name, purpose=Purpose.SIGN_IN).path


class SignedInClient(FlaskClient):
    """A test client that fills the secret of forms in, as a browser does."""

    def form_secret(self, path: str = "/sign-in") -> str:
        """The secret that forms of this session carry."""
        for page in ("/", "/sign-in", path):
            found = _FIELD.search(self.get(page).text)
            if found is not None:
                return found[1]
        raise AssertionError(f"there is no form at {path}")

    def post(self, path: str, *, bare: bool = False, **options: Any) -> Any:
        """A form sent; ``bare`` leaves its secret out."""
        if not bare and "json" not in options:
            data = dict(options.pop("data", None) or {})
            options["data"] = {"csrf_token": self.form_secret(path), **data}
        return super().post(path, **options)


def signed_in(
    app: Flask, platform: Platform, role: Role | None, name: str | None = None
) -> SignedInClient:
    """A client of a console's app with the session of a user; with no role, without one."""
    client = SignedInClient(app, app.response_class, use_cookies=True)
    if role is not None:
        answer = client.get(sign_in_path(platform, role, name))
        assert answer.status_code == 303, answer.text
    return client

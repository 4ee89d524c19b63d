"""One's own account: the password can be changed."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from bandit_platform.bootstrap import Platform
from bandit_platform.errors import ConflictError, InputError
from bandit_platform.web.console.frame import told
from bandit_platform.web.limits import address_of, retry_after
from bandit_platform.web.sessions import begin_session, signed_in


def add_account(pages: Blueprint, platform: Platform, proxies: int) -> None:
    """Add the views; a wrong present password counts as a failed attempt to sign in."""
    attempts = platform.attempts

    @pages.get("/account")
    def account() -> AnyResponse:
        return _account()

    @pages.post("/account")
    def change_password() -> AnyResponse:
        found, given = signed_in(), request.form
        if found is None:  # a key has no password
            return _account(errors={"old": "Sign in to change your password."})
        name, address = found.user.name, address_of(request.environ, proxies)
        wait = attempts.begin(name, address)
        if wait:
            return _account(wait=wait, errors={"old": "Too many attempts failed. Wait a while."})
        try:
            session = platform.sign_in.change_password(
                name, given.get("old", ""), given.get("new", "")
            )
        except ConflictError as error:
            return _account(errors={"old": told(error)})
        except InputError as error:
            attempts.succeeded(name, address)
            return _account(errors={"new": told(error)})
        attempts.succeeded(name, address)
        begin_session(session, found.user)
        return redirect(url_for("sign_in.account", changed="yes"), 303)


def _account(*, wait: float = 0.0, errors: dict[str, str] | None = None) -> Response:
    changed = "changed" in request.args and not errors
    who = signed_in()
    text = render_template(
        "dashboards/account.html",
        errors=errors or {},
        changed=changed,
        has_password=who is not None and who.user.has_password,
    )
    response = make_response(text, 429 if wait else 422 if errors else 200)
    if wait:
        response.headers["Retry-After"] = retry_after(wait)
    return response

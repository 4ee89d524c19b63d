"""Signing in and out, and what one-time links open."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from bandit_platform.bootstrap import Platform
from bandit_platform.errors import InputError, NotFoundError
from bandit_platform.services.people.sign_in import OpenLink
from bandit_platform.services.people.users import Purpose
from bandit_platform.web.console.account import add_account
from bandit_platform.web.console.frame import page_blueprint, told
from bandit_platform.web.limits import address_of, retry_after
from bandit_platform.web.page_gate import own_path
from bandit_platform.web.sessions import begin_session, end_session, signed_in

_WRONG = "Name and password do not belong together."


def sign_in_blueprint(platform: Platform, *, proxies: int = 0) -> Blueprint:
    """The pages that are open to strangers.

    Args:
        platform: knows users, sessions and links.
        proxies: how many proxies in front are believed about addresses.
    """
    pages = page_blueprint("sign_in", __name__)
    attempts = platform.attempts

    def enter_with(session: str, place: str | None) -> AnyResponse:
        before, user = signed_in(), platform.sign_in.user_of(session)
        if before is not None:
            platform.sign_in.leave(before.token)
        if user is not None:
            begin_session(session, user)
        return redirect(own_path(place) or url_for("console.experiments"), 303)

    @pages.get("/sign-in")
    def page() -> AnyResponse:
        if signed_in() is not None:
            return redirect(own_path(request.args.get("next")) or "/", 303)
        return _form(nobody=platform.users.is_empty())

    @pages.post("/sign-in")
    def enter() -> AnyResponse:
        name, address = request.form.get("name", ""), address_of(request.environ, proxies)
        wait = attempts.begin(name.strip().lower(), address)
        if wait:
            return _wait(name, wait)
        session = platform.sign_in.with_password(name, request.form.get("password", ""), address)
        if session is None:
            return _form(422, name=name, error=_WRONG)
        attempts.succeeded(name.strip().lower(), address)
        return enter_with(session, request.form.get("next"))

    @pages.post("/sign-out")
    def leave() -> AnyResponse:
        found = signed_in()
        if found is not None:
            platform.sign_in.leave(found.token)
        end_session()
        return redirect(url_for("sign_in.page"), 303)

    @pages.get("/link/<token>")
    def link(token: str) -> AnyResponse:
        opened = platform.sign_in.look(token)
        if opened is not None and opened.purpose is Purpose.SIGN_IN and request.method == "GET":
            session = platform.sign_in.by_link(token, address_of(request.environ, proxies))
            if session is not None:
                return enter_with(session, request.args.get("next"))
        if opened is None and signed_in() is not None:
            return redirect(own_path(request.args.get("next")) or "/", 303)
        return _choose(opened)

    @pages.post("/link/<token>")
    def use_link(token: str) -> AnyResponse:
        name, password = request.form.get("name", ""), request.form.get("password", "")
        try:
            session = platform.sign_in.choose_password(token, password, name)
        except NotFoundError:
            return _choose(None)
        except InputError as error:
            opened = platform.sign_in.look(token)
            field = "password" if "password" in str(error) else "name"
            return _choose(opened, 422, name=name, errors={field: told(error)})
        return enter_with(session, None)

    add_account(pages, platform, proxies)
    return pages


def _form(status: int = 200, **values: object) -> Response:
    place = own_path(request.values.get("next"))
    return make_response(render_template("dashboards/sign_in.html", place=place, **values), status)


def _wait(name: str, seconds: float) -> Response:
    minutes = max(1, round(seconds / 60))
    response = _form(429, name=name, wait=f"{minutes} minute{'s' if minutes > 1 else ''}")
    response.headers["Retry-After"] = retry_after(seconds)
    return response


def _choose(
    opened: OpenLink | None,
    status: int = 200,
    *,
    name: str = "",
    errors: dict[str, str] | None = None,
) -> Response:
    status = status if opened is not None else 410
    text = render_template("dashboards/link.html", link=opened, name=name, errors=errors or {})
    return make_response(text, status)

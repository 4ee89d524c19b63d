"""The sessions of people at the console: one signed cookie, and a row behind it.

The cookie holds the session's token and the secret of its forms. Its name and its signature depend
on the deployment, so that two consoles on one host do not sign each other's people out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from flask import Flask, current_app, request, session
from flask.sessions import SecureCookieSessionInterface
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_wtf import CSRFProtect
from flask_wtf.csrf import generate_csrf
from itsdangerous import BadSignature
from markupsafe import Markup, escape
from werkzeug.sansio.http import parse_cookie  # as requests do it, whatever the bytes

from bandit_platform.domain.user import User
from bandit_platform.services.people.sign_in import LONGEST


class SignedIn(UserMixin):  # type: ignore[misc] # Flask-Login has no types
    """A user together with the session that was used."""

    def __init__(self, token: str, user: User) -> None:
        self.token = token
        self.user = user

    def get_id(self) -> str:
        """What the cookie keeps."""
        return self.token


class _Cookies(SecureCookieSessionInterface):
    """Cookies that are sent over https only where the request came that way."""

    def __init__(self, proxies: int) -> None:
        self._proxies = proxies

    def get_cookie_secure(self, app: Flask) -> bool:
        forwarded = self._proxies > 0 and request.headers.get("X-Forwarded-Proto") == "https"
        return bool(app.config["SESSION_COOKIE_SECURE"]) or request.is_secure or forwarded


def install_sessions(
    app: Flask,
    *,
    user_of: Callable[[str], User | None],
    secret: bytes,
    https: bool,
    proxies: int,
) -> None:
    """Let people be signed in to an application.

    Args:
        app: the application.
        user_of: the user whose session a token is.
        secret: signs the cookie.
        https: whether people reach it by https only.
        proxies: how many proxies in front are believed.
    """
    app.secret_key = secret
    app.config.update(
        SESSION_COOKIE_NAME=f"bandit_platform_{secret[:4].hex()}",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=https,
        PERMANENT_SESSION_LIFETIME=LONGEST,
        WTF_CSRF_CHECK_DEFAULT=False,  # the gate asks for it: see PageGate
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
        WTF_CSRF_SSL_STRICT=False,  # the gate looks where a form came from
    )
    app.session_interface = _Cookies(proxies)
    CSRFProtect(app)
    manager = LoginManager()
    manager.init_app(app, add_context_processor=False)  # pages ask viewer() instead
    manager.session_protection = None

    def load(token: str) -> SignedIn | None:
        user = user_of(token)
        return None if user is None else SignedIn(token, user)

    manager.user_loader(load)


def session_shown(app: Flask) -> Callable[[Mapping[str, Any]], bool]:
    """A function: whether a request shows a session that we signed; it may have ended since."""
    interface = cast("SecureCookieSessionInterface", app.session_interface)
    signed = interface.get_signing_serializer(app)
    name = str(app.config["SESSION_COOKIE_NAME"])

    def shown(environ: Mapping[str, Any]) -> bool:
        text = parse_cookie(environ.get("HTTP_COOKIE")).get(name)
        if text is None or signed is None:
            return False
        try:
            return "_user_id" in signed.loads(text, max_age=int(LONGEST.total_seconds()))
        except BadSignature:
            return False

    return shown


def has_sessions() -> bool:
    """Whether people can be signed in to the application that answers."""
    return "csrf" in current_app.extensions


def signed_in() -> SignedIn | None:
    """Whoever is signed in, with the session."""
    found: Any = current_user
    return found._get_current_object() if found and found.is_authenticated else None


def begin_session(token: str, user: User) -> None:
    """Let the browser be signed in, with a cookie and form secret it did not have before."""
    session.clear()
    login_user(SignedIn(token, user))


def end_session() -> None:
    """Take the session from the browser."""
    logout_user()
    session.clear()


def csrf_field() -> Markup:
    """The hidden field that every form with ``method="post"`` needs."""
    if not has_sessions():
        return Markup()
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(
        escape(generate_csrf())
    )

"""Who may open a page: people who signed in, by their role, and only with forms of this console."""

from __future__ import annotations

from flask import Response, current_app, redirect, render_template, request, url_for
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.wrappers import Response as AnyResponse

from bandit_platform.domain.access import Permission
from bandit_platform.web.viewer import STRANGER, viewer

_LOOKING = frozenset({"GET", "HEAD", "OPTIONS"})
#: blueprints that programs ask, with keys; every other one of the console is pages
_FOR_PROGRAMS = frozenset({"decisions", "experiments", "health", "openapi", "docs"})


class PageGate:
    """Looks at sessions and forms, as the other gate looks at keys."""

    def is_page(self) -> bool:
        """Whether people look at what is asked for."""
        return request.blueprint not in _FOR_PROGRAMS and not request.path.startswith("/v1/")

    def refusal(self, wanted: Permission | None) -> AnyResponse | None:
        """Why a page is refused; None lets the viewer in."""
        if request.method not in _LOOKING and not self._is_own_form():
            return _page("form", 400)
        if wanted is None:
            return None
        who = viewer()
        if who is STRANGER:
            return redirect(url_for("sign_in.page", next=_place()), 303)
        return None if who.may(wanted) else _page("forbidden", 403, wanted=wanted, role=who.role)

    def _is_own_form(self) -> bool:
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            return False
        try:
            protection: CSRFProtect = current_app.extensions["csrf"]
            protection.protect()
        except CSRFError:
            return False
        return True


def own_path(text: str | None) -> str | None:
    """A path of this console, if the text is nothing else: never another site's address."""
    if not text or not text.startswith("/") or text[1:2] in {"/", "\\"}:
        return None
    return None if any(letter < " " or letter in "\\\x7f" for letter in text) else text


def _place() -> str | None:
    """Where to go on after signing in; a form that was not accepted is not sent again."""
    if request.method not in _LOOKING:
        return None
    path = request.full_path if request.query_string else request.path
    return own_path(path) if path != "/" else None


def _page(name: str, status: int, **values: object) -> Response:
    text = render_template(f"dashboards/refused_{name}.html", **values)
    return Response(text, status, content_type="text/html; charset=utf-8")

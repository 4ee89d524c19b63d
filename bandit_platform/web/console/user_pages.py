"""The users: list, make, change, let in and out."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from bandit_platform.bootstrap import Platform
from bandit_platform.domain.user import USER_ROLES, User, check_name
from bandit_platform.errors import ConflictError, InputError, NotFoundError, StateError
from bandit_platform.services.people.users import Link
from bandit_platform.web.viewer import viewer
from dashboards.text import moment

ROLES = {
    "viewer": "Viewer: experiments and reports",
    "analyst": "Analyst: single decisions and questions too",
    "experimenter": "Experimenter: changes experiments too",
    "admin": "Administrator: keys, users and the audit log too",
}


def add_user_pages(pages: Blueprint, platform: Platform, address: str) -> None:
    """Add the views."""

    def show(
        status: int = 200,
        *,
        link: Link | None = None,
        name: str = "",
        role: str = "viewer",
        errors: dict[str, str] | None = None,
    ) -> Response:
        text = render_template(
            "dashboards/settings_users.html",
            users=platform.users.all(),
            roles=ROLES.items(),
            moment=moment,
            link=link and f"{address}{link.path}",
            made=link,
            name=name,
            role=role,
            errors=errors or {},
        )
        return make_response(text, status)

    def one(name: str, status: int = 200, error: str | None = None) -> Response:
        text = render_template(
            "dashboards/settings_user.html",
            user=_demand(platform, name),
            roles=ROLES.items(),
            moment=moment,
            error=error,
        )
        return make_response(text, status)

    @pages.get("/users")
    def users() -> Response:
        return show()

    @pages.post("/users")
    def create_user() -> Response:
        name, role = request.form.get("name", ""), request.form.get("role", "")
        errors = _wrong(name, role)
        if errors:
            return show(422, name=name, role=role, errors=errors)
        try:
            return show(link=platform.users.create(name, role, viewer().actor))
        except ConflictError as error:
            return show(422, name=name, role=role, errors={"name": _sentence(error)})

    @pages.get("/users/<name>")
    def user_page(name: str) -> Response:
        return one(name)

    @pages.post("/users/<name>/role")
    def set_role(name: str) -> AnyResponse:
        try:
            platform.users.set_role(name, request.form.get("role", ""), viewer().actor)
        except (StateError, InputError) as error:
            return one(name, 422, _sentence(error))
        return redirect(url_for("settings.users"), 303)

    @pages.post("/users/<name>/link")
    def make_link(name: str) -> Response:
        try:
            return show(link=platform.users.link(name, viewer().actor))
        except StateError as error:
            return one(name, 422, _sentence(error))

    @pages.post("/users/<name>/access")
    def set_access(name: str) -> AnyResponse:
        change = platform.users.enable if "enable" in request.form else platform.users.disable
        try:
            change(name, viewer().actor)
        except StateError as error:
            return one(name, 422, _sentence(error))
        return redirect(url_for("settings.users"), 303)


def _wrong(name: str, role: str) -> dict[str, str]:
    errors: dict[str, str] = {}
    try:
        check_name(name)
    except InputError as error:
        errors["name"] = _sentence(error)
    if role not in USER_ROLES:
        errors["role"] = "Choose a role."
    return errors


def _sentence(error: Exception) -> str:
    text = f"{error}"
    return text[:1].upper() + text[1:] + "."


def _demand(platform: Platform, name: str) -> User:
    for user in platform.users.all():
        if user.name == name:
            return user
    raise NotFoundError("there is no user of this name")

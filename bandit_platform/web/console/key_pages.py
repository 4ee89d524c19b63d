"""The keys: list, create, replace, end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from bandit_platform.bootstrap import Platform
from bandit_platform.domain.access import Role
from bandit_platform.domain.duration import parse_duration
from bandit_platform.domain.origin import check_origin
from bandit_platform.errors import InputError, NotFoundError
from bandit_platform.services.people.keys import IssuedKey, ListedKey
from bandit_platform.web.console.frame import told
from bandit_platform.web.viewer import viewer
from dashboards.settings.key_lines import KINDS, key_line, key_lines

_LIFETIMES = {"": "No end", "30d": "30 days", "90d": "90 days", "365d": "a year"}
_OVERLAPS = {"1h": "1 hour", "24h": "24 hours", "7d": "7 days", "0s": "not at all"}


@dataclass(frozen=True, kw_only=True)
class KeyForm:
    """What was filled in, and what is wrong with it."""

    kind: str = "publishable"
    label: str = ""
    experiments: tuple[str, ...] = ()
    origins: str = ""
    lifetime: str = ""
    errors: dict[str, str]

    @property
    def role(self) -> Role | None:
        """The role of a secret key; None for a publishable one."""
        return None if self.kind == "publishable" else Role(self.kind)


def add_key_pages(pages: Blueprint, platform: Platform) -> None:
    """Add the views."""

    def show(form: KeyForm, status: int = 200, issued: IssuedKey | None = None) -> Response:
        text = render_template(
            "dashboards/settings_keys.html",
            lines=key_lines(platform.keys.all(), platform.clock()),
            form=form,
            kinds=KINDS.items(),
            lifetimes=_LIFETIMES.items(),
            experiments=[each.spec.key for each in platform.experiments.all()],
            issued=issued,
        )
        return make_response(text, status)

    @pages.get("")
    def page() -> Response:
        return show(KeyForm(errors={}))

    @pages.post("/keys")
    def create_key() -> Response:
        form = _filled({each.spec.key for each in platform.experiments.all()})
        if form.errors:
            return show(form, 422)
        issued = platform.keys.create(
            role=form.role,
            label=form.label,
            experiments=form.experiments or None,
            origins=form.origins.split(),
            lifetime=_span(form.lifetime),
            by=viewer().actor,
        )
        return show(KeyForm(errors={}), issued=issued)

    @pages.get("/keys/<key_id>")
    def key_page(key_id: str) -> str:
        line = key_line(_demand(platform, key_id), platform.clock())
        return render_template("dashboards/settings_key.html", key=line, overlaps=_OVERLAPS.items())

    @pages.post("/keys/<key_id>/rotate")
    def rotate_key(key_id: str) -> Response:
        overlap = _span(request.form.get("overlap", "24h")) or timedelta()
        return show(
            KeyForm(errors={}), issued=platform.keys.rotate(key_id, overlap, viewer().actor)
        )

    @pages.post("/keys/<key_id>/revoke")
    def revoke_key(key_id: str) -> AnyResponse:
        platform.keys.revoke(key_id, by=viewer().actor)
        return redirect(url_for("settings.page"), 303)


def _filled(known: set[str]) -> KeyForm:
    given = request.form
    values: dict[str, Any] = {
        "kind": given.get("kind", ""),
        "label": given.get("label", "").strip(),
        "experiments": tuple(given.getlist("experiments")),
        "origins": given.get("origins", "").strip(),
        "lifetime": given.get("lifetime", ""),
    }
    errors: dict[str, str] = {}
    if values["kind"] not in KINDS:
        errors["kind"] = "Choose what the key is for."
    if len(values["label"]) > 256:
        errors["label"] = "A name has at most 256 characters."
    if not set(values["experiments"]) <= known:
        errors["experiments"] = "One of these experiments does not exist any more."
    if values["lifetime"] not in _LIFETIMES:
        errors["lifetime"] = "Choose one of these."
    why = _origins_wrong(values["kind"], values["origins"].split())
    if why:
        errors["origins"] = why
    return KeyForm(**values, errors=errors)


def _origins_wrong(kind: str, origins: list[str]) -> str | None:
    if kind == "publishable" and not origins:
        return "A publishable key needs the address of the pages that use it."
    if kind != "publishable" and origins:
        return "Only a publishable key is for pages; a secret key must not stand in one."
    try:
        for origin in origins:
            check_origin(origin)
    except InputError as error:
        return told(error)
    return None


def _span(text: str) -> timedelta | None:
    if text not in {*_LIFETIMES, *_OVERLAPS}:
        raise InputError("this span cannot be chosen")
    return parse_duration(text) if text else None


def _demand(platform: Platform, key_id: str) -> ListedKey:
    for listed in platform.keys.all():
        if listed.key.key_id == key_id:
            return listed
    raise NotFoundError("there is no key with this id")

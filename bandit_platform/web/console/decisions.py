"""Looking decisions up, and the story of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from bandit_platform.bootstrap import Platform
from bandit_platform.domain.decision import OVER_LIMIT, Reason
from bandit_platform.services.reporting.find_decisions import parse_place, place_text
from bandit_platform.storage.decision_search import Search
from bandit_platform.web.console.frame import page_blueprint
from dashboards.decisions.decision_list import decision_lines, fates
from dashboards.decisions.trace_story import story
from dashboards.glossary import TERMS
from dashboards.policies.findings import decisions_finding
from dashboards.text import moment

_TIMES = ("since", "until")
_KEPT = ("unit", "request", "since", "until", "arm", "reason")


def decision_pages_blueprint(platform: Platform) -> Blueprint:
    """The decisions' pages over the platform."""
    pages = page_blueprint("decision_pages", __name__, url_prefix="/experiments/<key>/decisions")
    finder = platform.decisions

    @pages.get("")
    def search(key: str) -> str:
        choices = finder.choices(key)
        sought, wrong = _search(key, request.args, choices.time_zone)
        found = finder.page(sought, parse_place(request.args.get("after", "")))
        fallen = fates(platform.exclusions(key), choices.arms, choices.time_zone)
        kept = {name: request.args[name] for name in _KEPT if request.args.get(name)}
        return render_template(
            "dashboards/decisions.html",
            key=key,
            choices=choices,
            arm_options=[("", "any"), *((arm, arm) for arm in choices.arms)],
            reason_options=[
                ("", "any"),
                *((each.value, each.value) for each in Reason),
                (OVER_LIMIT, "any, over a limit"),
            ],
            kept=kept,
            wrong=wrong,
            missing=request.args.get("missing", ""),
            lines=decision_lines(found.decisions, choices.time_zone, finder.key_labels()),
            cut=found.cut,
            after=place_text(found.after) if found.after else None,
            finding=decisions_finding(fallen),
            fates=fallen,
            as_of=moment(platform.clock(), choices.time_zone),
            terms=TERMS,
        )

    @pages.post("")
    def find(key: str) -> Response:
        """What must not stand in an address is sent, hashed, and forgotten."""
        finder.choices(key)
        unit, order = (request.form.get(name, "").strip() for name in ("unit_id", "request_key"))
        wanted: str | None = request.form.get("decision_id", "").strip()
        missing = "decision"
        if order:
            request_ = finder.request(key, order)
            found = finder.page(Search(experiment=key, request=request_)).decisions
            if len(found) > 1:
                return redirect(url_for("decision_pages.search", key=key, request=request_), 303)
            wanted, missing = found[0].decision_id if found else None, "order"
        elif unit:
            return redirect(url_for("decision_pages.search", key=key, unit=finder.unit(unit)), 303)
        if wanted and finder.has(key, wanted):
            return redirect(url_for("decision_pages.trace", key=key, decision_id=wanted), 303)
        return redirect(url_for("decision_pages.search", key=key, missing=missing), 303)

    @pages.get("/<decision_id>")
    def trace(key: str, decision_id: str) -> str:
        zone = finder.choices(key).time_zone
        told = story(platform.trace(key, decision_id), zone)
        return render_template(
            "dashboards/decision.html", key=key, story=told, zone=zone, terms=TERMS
        )

    return pages


def _search(key: str, args: MultiDict[str, str], zone: str) -> tuple[Search, tuple[str, ...]]:
    """What is looked for, and which fields could not be read."""
    moments: dict[str, Any] = {}
    wrong = []
    for name in _TIMES:
        text = args.get(name, "")
        try:
            moments[name] = _moment(text, zone) if text else None
        except ValueError:
            wrong.append(name)
    since, until = (moments.get(name) for name in _TIMES)
    if since and until and until < since:
        wrong.append("period")
    reason = args.get("reason") or None
    if reason is not None and reason not in {*Reason, OVER_LIMIT}:
        wrong.append("reason")
    return Search(
        experiment=key,
        unit=args.get("unit") or None,
        request=args.get("request") or None,
        arm=args.get("arm") or None,
        reason=reason,
        **moments,
    ), tuple(wrong)


def _moment(text: str, zone: str) -> datetime:
    """A moment of the experiment's time zone, as a browser's field gives it."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))

"""The audit log: who did what, newest first, narrowed by who, what, subject and day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from flask import Blueprint, Response, make_response, render_template, request

from bandit_platform.bootstrap import Platform
from bandit_platform.storage.audit_log import Sought
from dashboards.settings.audit_lines import FILTERS, audit_lines

_ON_A_PAGE = 50
_NOT_A_DAY = "Write the day as 2026-11-22."


def add_audit_log(pages: Blueprint, platform: Platform) -> None:
    """Add the view."""

    @pages.get("/audit-log")
    def audit_log() -> Response:
        sought, errors = _sought()
        older = request.args.get("older", "")
        found = platform.audit_log(
            sought,
            most=_ON_A_PAGE + 1,
            older_than=int(older) if older.isdecimal() and len(older) < 19 else None,
        )
        filters = {name: text for name in _FILTERS if (text := request.args.get(name, ""))}
        text = render_template(
            "dashboards/settings_audit_log.html",
            lines=audit_lines(found[:_ON_A_PAGE]),
            more=len(found) > _ON_A_PAGE,
            is_first=not older,
            filters=filters,
            acts=FILTERS.items(),
            errors=errors,
        )
        return make_response(text, 422 if errors else 200)


_FILTERS = ("who", "what", "subject", "since", "until")


def _sought() -> tuple[Sought, dict[str, str]]:
    """What was asked for; a day that cannot be read narrows nothing and is told."""
    errors: dict[str, str] = {}
    given = {name: request.args.get(name, "").strip() for name in _FILTERS}
    days: dict[str, datetime] = {}
    for name in ("since", "until"):
        if given[name]:
            try:
                day = date.fromisoformat(given[name])
                days[name] = datetime(day.year, day.month, day.day, tzinfo=UTC)
            except ValueError:
                errors[name] = _NOT_A_DAY
    until = days.get("until")
    last = datetime.max.replace(tzinfo=UTC) - timedelta(days=2)
    sought = Sought(
        who=given["who"],
        what=given["what"],
        subject=given["subject"],
        since=days.get("since"),
        before=None if until is None else min(until, last) + timedelta(days=1),
    )
    return sought, errors

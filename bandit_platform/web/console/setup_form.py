"""Reading the page that edits an experiment: what was typed, what is to be tried, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import request
from pydantic_core import from_json
from werkzeug.exceptions import RequestEntityTooLarge

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.errors import ContextError, InputError, Problem
from dashboards.setup.editor import MOST_FIELDS, Typed
from dashboards.setup.spec_fields import Fields, fields_of
from dashboards.setup.spec_notation import read_list, read_number

#: bytes a definition may have; a hundred arms with large offers fit
LARGEST = 4_000_000
_CONTROLS = frozenset({"csrf_token", "do", "toml", "fields_were", "toml_was", "based_on", "spec"})
_TRY = "try-"
_AT = "try--at"
_ARMS = "try--arms"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What a browser sent.

    Attributes:
        typed: both sides of the page.
        do: the button: check, preview, save, add:…, remove:…, use-form, use-toml, edit, confirm.
        based_on: the revision that the page was made from.
        tried: the preview's fields.
        spec: a spec that the review carries on, as JSON; empty elsewhere.
    """

    typed: Typed
    do: str
    based_on: int
    tried: dict[str, str]
    spec: str


def sent() -> Sent:
    """What came with this request.

    Raises:
        RequestEntityTooLarge: more fields than an experiment has.
    """
    form = {name: text for name, text in request.form.items() if name not in _CONTROLS}
    if len(form) > MOST_FIELDS:
        raise RequestEntityTooLarge
    based_on = request.form.get("based_on", "0")
    return Sent(
        typed=Typed(
            fields={name: text for name, text in form.items() if not name.startswith(_TRY)},
            toml=request.form.get("toml", ""),
            fields_were=request.form.get("fields_were", ""),
            toml_was=request.form.get("toml_was", ""),
        ),
        do=request.form.get("do", "check"),
        based_on=int(based_on) if based_on.isdecimal() and len(based_on) < 10 else 0,
        tried={name: text for name, text in form.items() if name.startswith(_TRY)},
        spec=request.form.get("spec", ""),
    )


def with_locked(fields: Fields, spec: ExperimentSpec) -> Fields:
    """The form with what a started experiment may not change as it stands: it is not sent."""
    kept = {name: text for name, text in fields.items() if not _is_locked(name, spec)}
    standing = fields_of(spec.to_file())
    return {**kept, **{name: text for name, text in standing.items() if _is_locked(name, spec)}}


def _is_locked(name: str, spec: ExperimentSpec) -> bool:
    if name == "reward-currency":
        return spec.reward.currency is not None
    return name == "placement" or name.startswith(("reward-", "holdout-"))


def tried_context(spec: ExperimentSpec, tried: dict[str, str]) -> dict[str, Any]:
    """The context that was typed into the preview; what is empty is not sent."""
    context: dict[str, Any] = {}
    for name, field in spec.context.items():
        text = tried.get(_TRY + name, "").strip()
        if not text:
            continue
        if field.type == "number":
            context[name] = read_number(text)
        elif field.type == "boolean":
            context[name] = {"true": True, "false": False}.get(text, text)
        elif field.type == "set":
            context[name] = _set(text)
        else:
            context[name] = text
    return context


def _set(text: str) -> Any:
    """The values between commas; text that is no such list as it is, which the schema refuses."""
    try:
        return [] if text == "[]" else read_list(text)
    except ValueError:
        return text


def tried_arms(spec: ExperimentSpec, tried: dict[str, str]) -> Any:
    """The arms that were typed into the preview as JSON; None for none.

    Raises:
        ContextError: they are no JSON.
    """
    text = tried.get(_ARMS, "").strip()
    if not spec.takes_arms or not text:
        return None
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError:
        problem = Problem(
            path="arms",
            message='must be JSON such as [{"key": "sku-123", "features": {"margin": 12.0}}]',
        )
        raise ContextError([problem]) from None


def tried_moment(spec: ExperimentSpec, tried: dict[str, str], now: datetime) -> datetime:
    """The moment that was typed into the preview, in the experiment's time zone; else now.

    Raises:
        ContextError: it is no moment.
    """
    text = tried.get(_AT, "").strip()
    if not text:
        return now
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        problem = Problem(path="at", message="must be a moment such as 2026-12-01T09:00")
        raise ContextError([problem]) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(spec.report.time_zone))


def sound_number(text: str, what: str) -> float:
    """A finite number at least 0.

    Raises:
        InputError: it is none; says what it should have been.
    """
    number = read_number(text)
    if isinstance(number, str) or not 0.0 <= number < float("inf"):
        raise InputError(f"{what}: must be a number, at least 0")
    return number

"""One decision told from top to bottom: why did this shopper get that?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from bandit_platform.domain.event import Lateness
from bandit_platform.domain.exclusion import from_data
from bandit_platform.domain.policy_spec import NOTHING
from dashboards.outcome_words import outcome_label
from dashboards.text import short_moment, why_out

_REASONS = MappingProxyType(
    {
        "policy": "a published model gave the probabilities",
        "uniform": "no model was published yet, or the mode is uniform: every arm equally likely",
        "holdout": "the shopper is in the holdout, set aside by chance, and always gets nothing",
        "fallback": "something failed while deciding, so nothing was shown",
        "paused": "the experiment was paused",
        "stopped": "the experiment was stopped",
        "draft": "the experiment had not been started",
    }
)
_STATUS = MappingProxyType(
    {
        "matured": "The reward window is over and the reward is final.",
        "immature": "The reward window is still open; the reward is not final.",
        "not activated": "The shop never said that it was shown, so it is in no estimate.",
        "over limit": "Page traffic above the limit of its unit or address. It was answered "
        "normally, but trains no model and is left out of every estimate.",
        "not measured": "Decisions with this reason are in no estimate.",
        "disputed late": "Two nodes answered this request differently. This was found after the "
        "reward was final, so the decision is still in the estimates.",
        "disputed": "Two nodes answered this request differently, so it is in no estimate.",
    }
)


@dataclass(frozen=True, kw_only=True)
class ArmLine:
    """One arm: eligible with a probability, or out with a reason."""

    arm: str
    eligible: bool
    why: str
    probability: str
    exact: float | None
    #: bar from ``left`` over ``width``, in percent of the whole from 0 to 1
    left: float
    width: float
    drawn: bool
    #: what the model was given of it, if the arm came with the request
    features: str = ""


@dataclass(frozen=True, kw_only=True)
class EventLine:
    """One event as a row."""

    label: str
    event_id: str
    at: str
    exact_at: str
    amount: str
    flags: tuple[str, ...]
    adds: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Story:
    """What the page of a decision prints."""

    told: Mapping[str, Any]
    headline: str
    at: str
    ends: str
    reason: str
    status: str
    context: tuple[tuple[str, str], ...]
    arms: tuple[ArmLine, ...]
    #: position of the seed from 0 to 1, exact and in percent
    draw: str
    draw_at: float
    events: tuple[EventLine, ...]
    sum: str
    reward: str
    agrees: bool | None
    mismatch: str
    #: the key that asked, and where from
    asked_by: str


def story(told: Mapping[str, Any], zone: str) -> Story:
    """The trace of a decision in words.

    Args:
        told: what :func:`trace` tells.
        zone: the experiment's time zone.
    """
    checked = told["checked"] or {"agrees": None, "what": None}
    return Story(
        told=told,
        headline=_headline(told),
        at=_moment(told["decided_at"], zone),
        ends=_moment(told["expires_at"], zone),
        reason=_REASONS.get(told["reason"], told["reason"]),
        status=_STATUS[told["status"]],
        context=tuple((name, _value(value)) for name, value in told["context"].items()),
        arms=_arms(told, zone),
        draw=f"{told['draw']:.6f}",
        draw_at=round(100 * told["draw"], 3),
        events=tuple(_event(event, zone) for event in told["events"]),
        sum=_sum(told),
        reward="" if told["reward"] is None else f"{told['reward']:g}",
        agrees=checked["agrees"],
        mismatch=checked["what"] or "",
        asked_by=_asked_by(told),
    )


def _asked_by(told: Mapping[str, Any]) -> str:
    """Which key requested the decision, whether it is trusted, and the address."""
    if told["key_id"] is None:
        return "No key is recorded for this decision."
    kind = "secret" if told["trusted"] else "publishable"
    label = f" ({told['key_label']})" if told["key_label"] else ""
    trust = "trusted" if told["trusted"] else "untrusted: anyone can copy it from a page"
    address = f". Address (pseudonym): {told['address']}" if told["address"] else ""
    return f"Requested with the {kind} key {told['key_id']}{label}, {trust}{address}."


def _headline(told: Mapping[str, Any]) -> str:
    """Why did they get nothing? Or why that offer?"""
    arm, reason = told["arm"], told["reason"]
    if reason not in {"policy", "uniform"}:
        return f"Nothing was shown: {_REASONS.get(reason, reason)}."
    others = len(told["eligible"]) - 1
    if not others:
        return "Nothing was shown: no arm was eligible."
    probability = f"{told['propensity']:.3f}"
    if arm == NOTHING:
        return (
            f"Nothing was shown: it was drawn with probability {probability} among "
            f"{others + 1} answers."
        )
    return f"{arm} was shown: it was drawn with probability {probability}."


def _arms(told: Mapping[str, Any], zone: str) -> tuple[ArmLine, ...]:
    pmf: Mapping[str, float] = told["pmf"]
    listed = dict.fromkeys([*told["arms"], *pmf, *told["excluded"]])
    lines, left = [], 0.0
    starts = {}
    for arm, share in pmf.items():
        starts[arm] = left
        left += share
    for arm in listed:
        probability = pmf.get(arm)
        lines.append(
            ArmLine(
                arm=arm,
                eligible=probability is not None,
                features=_features(told, arm),
                why="eligible" if probability is not None else _why_out(arm, told, zone),
                probability="" if probability is None else f"{probability:.4f}",
                exact=probability,
                left=round(100 * starts.get(arm, 0.0), 3),
                width=round(100 * (probability or 0.0), 3),
                drawn=arm == told["arm"],
            )
        )
    return tuple(lines)


def _features(told: Mapping[str, Any], arm: str) -> str:
    """The features that the model was given of an arm, if they came with the request."""
    found = (told.get("features") or {}).get(arm, {})
    return ", ".join(f"{name} {_value(value)}" for name, value in found.items())


def _why_out(arm: str, told: Mapping[str, Any], zone: str) -> str:
    stored: dict[str, Any] | None = told["excluded"].get(arm)
    if stored is None:
        return _REASONS.get(told["reason"], told["reason"])
    why = from_data(stored)
    words = why_out(why, zone)
    if why.operator is None:
        return words
    return f"{words}; it was {_value(told['context'][why.field])}"


def _event(event: Mapping[str, Any], zone: str) -> EventLine:
    late = "arrived late" if event["late_because"] == Lateness.ARRIVED_LATE else "late"
    words = {
        late: event["late"],
        "dated too early": event["late_because"] == Lateness.BEFORE_DECISION,
        "untrusted": not event["trusted"],
    }
    flags = [word for word, on in words.items() if on]
    amount = event["amount"]
    return EventLine(
        label=outcome_label(event["type"]),
        event_id=event["event_id"],
        at=_moment(event["occurred_at"], zone),
        exact_at=event["occurred_at"],
        amount="" if amount is None else f"{amount:,.2f} {event['currency'] or ''}".strip(),
        flags=tuple(flags),
        adds="adds nothing" if event["adds"] is None else f"{event['adds']:+g}",
        why=event["why"],
    )


def _sum(told: Mapping[str, Any]) -> str:
    """The reward as a sum: default, events, and the cut by the declared range."""
    total = told["reward_default"]
    parts = [f"{told['reward_default']:g} (default)"]
    for event in told["events"]:
        if event["adds"] is not None:
            total += event["adds"]
            parts.append(f"{event['adds']:+g} ({event['type']})")
    low, high = told["reward_range"]
    text = f"{' '.join(parts)} = {total:g}"
    if not low <= total <= high:
        text += f", cut to {min(max(total, low), high):g} by the declared range {low:g} to {high:g}"
    return text


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "an empty set"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _moment(text: str, zone: str) -> str:
    return short_moment(datetime.fromisoformat(text), zone, seconds=True)
